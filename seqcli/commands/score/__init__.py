"""`seqcli score`: how probable a text is, and which texts a model prefers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, with_options
from seqcli.commands.options import SEED, SIGNATURE, BatchMachine, MixOption, ModelOption, Results, TextInput
from seqcli.commands.parsers import choice, number
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.adaptive_scoring import Cache, Dynamic


@dataclass
class Adaptation:
    """How models adapt to the text that they have scored so far."""

    HELP_GROUP = "Adaptation"

    cache: Annotated[
        bool,
        typer.Option(
            "--cache",
            help="Mix in a cache of the latest tokens: the continuous cache of a neural model, the unigram cache of an n-gram model. "
            "The cache is kept from line to line and emptied before each file, or each document.",
        ),
    ] = False
    weight: Annotated[
        float | None,
        typer.Option("--lambda", parser=number(ranges.LAMBDA), help="Weight of the cache.  [default: 0.15]"),
    ] = None
    theta: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.THETA),
            help="Sharpness of a neural model's cache: how strongly similar hidden states are preferred.  [default: 0.5]",
        ),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(parser=number(ranges.CACHE_WINDOW), help="Number of tokens in the cache.  [default: 2000]"),
    ] = None
    dynamic: Annotated[
        bool,
        typer.Option(
            "--dynamic",
            help="Dynamic evaluation: a neural model takes a step of gradient descent on each segment that it has scored. The model on disk does not change.",
        ),
    ] = False
    learning_rate: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.LEARNING_RATE),
            help="Learning rate of --dynamic.  [default: 0.05; with --statistics 0.0003]",
        ),
    ] = None
    decay: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.DECAY), help="Decay of --dynamic towards the trained weights.  [default: 0.0005]"
        ),
    ] = None
    segment: Annotated[
        int | None,
        typer.Option(parser=number(ranges.SEGMENT), help="Number of tokens per step of --dynamic.  [default: 64]"),
    ] = None
    statistics: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Scale the steps of --dynamic by the gradients on FILE, part of the training text."
        ),
    ] = None

    @property
    def name(self) -> str | None:
        """--cache or --dynamic, whichever was given."""
        return "--cache" if self.cache else "--dynamic" if self.dynamic else None

    def settings(self) -> tuple[Cache | None, Dynamic | None]:
        from seqcli.adaptive_scoring import Cache, Dynamic  # numpy

        cache = ranges.given({"weight": self.weight, "theta": self.theta, "window": self.window})
        dynamic = ranges.given({"learning_rate": self.learning_rate, "decay": self.decay, "segment": self.segment})
        return (
            Cache(**cache) if self.cache else None,
            Dynamic.of(scaled=self.statistics is not None, **dynamic) if self.dynamic else None,
        )

    @property
    def needs(self) -> list[tuple[str, object, str, object]]:
        """The options without effect unless --cache or --dynamic is given, as `check_needs` takes them."""
        of_cache = {"--lambda": self.weight, "--theta": self.theta, "--window": self.window}
        of_dynamic = {
            "--learning-rate": self.learning_rate, "--decay": self.decay, "--segment": self.segment, "--statistics": self.statistics,
        }  # fmt: skip
        return [
            *((option, value, "--cache", self.cache) for option, value in of_cache.items()),
            *((option, value, "--dynamic", self.dynamic) for option, value in of_dynamic.items()),
        ]


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
    source_file: Annotated[
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
    from seqcli.commands.models import check_mix
    from seqcli.commands.score import comparisons, sentences, tokens
    from seqcli.commands.score.scorer import Arguments, Contexts

    document = unit == "document"
    contexts = {"--context": context, "--context-file": context_file}
    comparing = {"--scramble": scramble, "--choices": choices, "--pairs": pairs is not None}
    mode = ranges.only_one({**comparing, f"--level {level}": level != "sentence"})  # None: a row per record or document
    by_token, by_corpus = level in ("token", "word"), level == "corpus"
    conditional = (mode is None or by_token) and not document
    ranges.check_needs(
        ("--orderings", orderings, "--scramble", scramble),
        ("--rank", rank, "--level token", level == "token"),
        *((option, value, "--level sentence, token or word", conditional) for option, value in contexts.items()),
        ("--unit document", document, "--level sentence or corpus", mode is None or by_corpus),
        ("--source-column", source_column, "--source", source_file is not None),
        ("--keep", source.keep, "--level sentence", mode is None),
        *adaptation.needs,
    )
    others = {**comparing, **contexts, "--mix": mix}
    ranges.only_one(contexts)
    ranges.exclusive({"--source": source_file}, {**others, "--unit document": document})
    ranges.exclusive({"--cache": adaptation.cache}, {**others, "--source": source_file, "--rank": rank})
    ranges.exclusive({"--dynamic": adaptation.dynamic}, {**others, "--source": source_file})
    if pairs is not None and (source.given or source.text_column):
        raise UsageError("--pairs reads its own FILE; leave out other texts and --text-column")
    machine.check_ray(
        model,
        alone={
            **comparing, "--unit document": document, "--cache": adaptation.cache, "--dynamic": adaptation.dynamic,
        },
    )  # fmt: skip
    reporter = results.reporter("score", machine)
    resampled = len(model or []) > 1 and mix is None and (mode is None or by_corpus) and not document
    given_options.without_effect(reporter, {
        "--seed": not (scramble or resampled) and "where nothing is random",
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
        source_file=source_file,
        source_column=source_column,
        adaptation=adaptation,
        document=document,
    )
    before = Contexts(context, context_file, source=source, reporter=reporter)
    if pairs is not None:
        comparisons.pairs(arguments, pairs)
    elif scramble:
        comparisons.scramble(arguments, sample=orderings or 1000)
    elif choices:
        comparisons.choices(arguments)
    elif by_token:
        tokens.tokens(arguments, words=level == "word", contexts=before, rank=rank)
    elif by_corpus:
        sentences.corpus(arguments)
    elif document:
        sentences.documents(arguments)
    else:
        sentences.sentences(arguments, contexts=before)
