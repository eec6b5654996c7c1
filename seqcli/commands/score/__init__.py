"""`seqcli score`: how probable a text is, and which texts a model prefers."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.machine import BatchMachine
from seqcli.commands.options import (
    SEED,
    SIGNATURE,
    GivenOptions,
    MixOption,
    ModelOption,
    Results,
    TextInput,
    with_options,
)
from seqcli.commands.parsers import choice, number
from seqcli.commands.score.adaptation import Adaptation
from seqcli.errors import UsageError

MODES = ("scramble", "choices", "pairs")


@with_options("Scoring")
def score(
    source: TextInput,
    model: ModelOption = None,
    mix: MixOption = None,
    level: Annotated[
        str,
        typer.Option(
            parser=choice("sentence", "token", "word", "corpus"),
            metavar="LEVEL",
            help="Unit of each output row: sentence, token, word or corpus.",
        ),
    ] = "sentence",
    scramble: Annotated[
        bool, typer.Option("--scramble", help="Rank each text among the orderings of its words.")
    ] = False,
    orderings: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.ORDERINGS),
            help="Number of orderings to sample for texts of more than 7 words.  [default: 1000]",
        ),
    ] = None,
    choices: Annotated[
        bool, typer.Option("--choices", help='Compare the alternatives of "My computer is very [slow|shirt]".')
    ] = False,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Compare the minimal pairs in FILE: tab-separated good, bad and tag, JSON Lines as in BLiMP, or a .csv, .json or .parquet table with columns of these names.",
        ),
    ] = None,
    base: Annotated[
        str, typer.Option(parser=choice("e", "2", "10"), metavar="BASE", help="Base of the logarithms: e, 2 or 10.")
    ] = "e",
    rank: Annotated[
        bool, typer.Option("--rank", help="Add the rank of each token, 1 for the most likely (with --level token).")
    ] = False,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Condition on TEXT: log p(context and text as one string) - log p(context). A space is put between them "
            "unless there is white space already.",
        ),
    ] = None,
    context_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Condition on the lines of FILE, one per record; an empty line means no context."
        ),
    ] = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="FILE", help="Score p(text | source) with a translator; FILE has one source per record."
        ),
    ] = None,
    source_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of --source if that is a table: a name, or #N.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            parser=choice("line", "document"),
            metavar="UNIT",
            help="Unit of text: line, or document, which is one argument, one row of a table or one file of several lines.  "
            "[default: line]",
        ),
    ] = None,
    signature: SIGNATURE = False,
    seed: SEED = 0,
    *,
    adaptation: Adaptation,
    results: Results,
    machine: BatchMachine,
    given_options: GivenOptions,
) -> None:
    """Score texts by log-probability, perplexity and bits per byte, or compare orderings, choices and minimal pairs.

    Writes one row per record, in order. log_prob is the natural logarithm of the probability of the whole sentence including
    its end </s>; --base selects another unit. The output is a table on a terminal, TSV in a pipe, JSON Lines with --json.

    Examples:
      seqcli score "I study machine learning" "machine I learning study"
      seqcli score --choices "My computer is very [slow|shirt]"
      seqcli score -m model -i text.txt --level corpus
    """
    from seqcli.commands.score import comparisons, corpus, sentences, tokens
    from seqcli.commands.score import pairs as minimal_pairs
    from seqcli.commands.score.arguments import Arguments, Contexts
    from seqcli.commands.session import check_mix

    asked = [name for name, given in zip(MODES, (scramble, choices, pairs is not None)) if given]
    if len(asked) > 1 or (asked and level != "sentence"):
        raise UsageError(
            f"--{asked[0]} cannot be combined with {'--' + asked[1] if len(asked) > 1 else '--level ' + level}"
        )
    if orderings is not None and not scramble:
        raise UsageError("--orderings needs --scramble")
    if rank and level != "token":
        raise UsageError("--rank needs --level token")
    if context is not None and context_file is not None:
        raise UsageError("--context cannot be combined with --context-file")
    conditional = "--context" if context is not None else "--context-file" if context_file is not None else None
    if conditional and (asked or level == "corpus" or unit == "document"):
        raise UsageError(f"{conditional} needs --level sentence, token or word")
    if unit == "document" and (asked or level in ("token", "word")):
        raise UsageError("--unit document needs --level sentence or corpus")
    if given is not None and (asked or conditional or unit == "document" or mix is not None):
        other = (
            f"--{asked[0]}"
            if asked
            else conditional
            if conditional
            else "--mix"
            if mix is not None
            else "--unit document"
        )
        raise UsageError(f"--source cannot be combined with {other}")
    adaptation.check(given_options)
    if adaptation.name:
        against = [
            f"--{asked[0]}" if asked else conditional,
            given is not None and "--source", mix is not None and "--mix", rank and adaptation.cache and "--rank",
        ]  # fmt: skip
        if clash := next(filter(None, against), None):
            raise UsageError(f"{adaptation.name} cannot be combined with {clash}")
    if source_column is not None and given is None:
        raise UsageError("--source-column needs --source")
    if source.keep and (asked or level != "sentence"):
        raise UsageError("--keep needs --level sentence")
    if pairs is not None and (source.given or source.text_column):
        raise UsageError("--pairs reads its own FILE; leave out other texts and --text-column")
    machine.check_ray(
        model,
        alone={
            **{f"--{name}": name in asked for name in MODES},
            "--unit document": unit == "document",
            "--cache": adaptation.cache,
            "--dynamic": adaptation.dynamic,
        },
    )
    reporter = results.reporter("score", machine)
    compared = (
        len(model or []) > 1 and mix is None and not asked and level in ("sentence", "corpus") and unit != "document"
    )
    given_options.without_effect(reporter, {
        "--seed": not (scramble or compared) and "where nothing is random",
        "--base": pairs is not None and "with --pairs, which shows no logarithms",
    })  # fmt: skip
    check_mix(mix, model or [])
    arguments = Arguments(
        source,
        results,
        reporter,
        machine,
        model or [],
        signed=signature,
        mix=mix,
        base=base,
        seed=seed,
        translated=given,
        source_column=source_column,
        adaptation=adaptation,
        document=unit == "document",
    )
    contexts = Contexts(context, context_file, source=source, reporter=reporter)
    if pairs is not None:
        minimal_pairs.pairs(arguments, pairs)
    elif scramble:
        comparisons.scramble(arguments, sample=orderings or 1000)
    elif choices:
        comparisons.choices(arguments)
    elif level in ("token", "word"):
        tokens.tokens(arguments, words=level == "word", contexts=contexts, rank=rank)
    elif level == "corpus":
        corpus.corpus(arguments, document=unit == "document")
    elif unit == "document":
        sentences.documents(arguments)
    else:
        sentences.sentences(arguments, contexts=contexts)
