"""`seqcli translate`: the translation of a text into the other language."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, as_options, with_options
from seqcli.commands.options import SEED, SIGNATURE, BatchMachine, Results, Temperature, TextInput, TopK, TopP
from seqcli.commands.parsers import choice, number, whole
from seqcli.errors import UsageError


@with_options("Decoding")
def translate(
    source: TextInput,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="DIR",
            help="Translator folder or hf:NAME[@REVISION] from the Hugging Face Hub, or NAME=DIR.  [default: a small sample model]",
            show_default=False,
            rich_help_panel="Model",
        ),
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.BEAM),
            help="Number of hypotheses in beam search; 1 is greedy.  [default: 5, or K of --n-best]",
        ),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.LENGTH_PENALTY),
            help="Compare hypotheses by log_prob / length^NUMBER; 0 favors short ones.  [default: 1.0]",
        ),
    ] = None,
    max_length_ratio: Annotated[
        float,
        typer.Option(
            parser=number(ranges.LENGTH_RATIO),
            help="Limit a translation to this many times the tokens of its source, plus 10.",
        ),
    ] = 2.0,
    n_best: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.BEAM),
            metavar="K",
            help="Write the K best translations of each text: line ||| translation ||| log_prob.",
        ),
    ] = None,
    with_scores: Annotated[bool, typer.Option("--with-scores", help="Write log_prob after each translation.")] = False,
    num_samples: Annotated[
        int | None,
        typer.Option(parser=number(ranges.BEAM), help="Sample N translations of each text instead of searching."),
    ] = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Begin every translation with TEXT, in whole words; surrounding white space is ignored.",
        ),
    ] = "",
    no_repeat_ngram: Annotated[
        int,
        typer.Option(
            parser=number(ranges.NO_REPEAT_NGRAM), metavar="N", help="Forbid repeated n-grams of N tokens (0: allow)."
        ),
    ] = 0,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Compute BLEU and chrF against the translations in FILE, one per record (lines or a table); repeatable for several references. Scores go to standard error.",
            show_default=False,
        ),
    ] = None,
    reference_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of --reference if that is a table: a name, or #N.")
    ] = None,
    bleu_tokenize: Annotated[
        str | None,
        typer.Option(
            parser=choice("13a", "char", "intl", "none"),
            metavar="NAME",
            help="Tokenizer for BLEU: 13a, char, intl or none.  [default: char for Korean references, else 13a]",
        ),
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Compute BLEU and chrF on lowercased text.")] = False,
    metrics: Annotated[str | None, typer.Option(metavar="FILE", help="Write BLEU and chrF to this JSON file.")] = None,
    worst: Annotated[
        int, typer.Option(parser=whole(0, 10**6), help="Show the N sentences with the lowest chrF (with --reference).")
    ] = 0,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention", help="Show the attention: rows are output tokens, columns the source tokens they attend to."
        ),
    ] = False,
    attention_output: Annotated[
        str | None, typer.Option(metavar="FILE", help="Save the attention as .json or .png.")
    ] = None,
    alignment: Annotated[
        bool,
        typer.Option(
            "--alignment",
            help="Write a word alignment after each translation, from the attention: 0-0 1-2 (source-target).",
        ),
    ] = False,
    signature: SIGNATURE = False,
    seed: SEED = 0,
    *,
    results: Results,
    machine: BatchMachine,
    given: GivenOptions,
) -> None:
    """Translate texts, one translation per record, in order.

    The output is a table on a terminal, TSV in a pipe, JSON Lines with --json. A blank line stays blank. Without -m, a sample
    model translates between English and Korean. A text that is too long for the model is translated in windows. In JSON,
    finish_reason is "length" if a translation was cut at its maximum length; its log_prob then does not include the end
    </s>. Lines of --n-best are numbered from 0 as in Moses, elsewhere from 1.

    Examples:
      seqcli translate "I want to drink coffee."
      seqcli translate -m model -i en.txt -o translations.txt
      seqcli translate -m model -i en.txt --reference ko.txt
    """
    from contextlib import ExitStack

    from seqcli.commands.translate import rows
    from seqcli.commands.translate.listeners import AttentionFile, References
    from seqcli.decoding import translate as decoding

    drawing = {"num_samples": num_samples, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    searching = {"beam_size": beam_size, "n_best": n_best, "length_penalty": length_penalty}
    ranges.exclusive(as_options(drawing), as_options(searching))
    several = n_best is not None or (num_samples or 1) > 1
    if several and not results.as_json:
        single = {
            "--attention": attention, "--alignment": alignment, "--with-scores": with_scores, "--keep": source.keep,
            "--header": results.header,
        }  # fmt: skip
        if option := next((name for name, value in single.items() if ranges.is_given(value)), None):
            raise UsageError(f"{option} cannot be combined with several translations per text", cure="use --json")
    if len(model or []) > 1:
        raise UsageError("only one translator can be used", where="-m", cure="give -m once")
    of_reference = {
        "--reference-column": reference_column, "--metrics": metrics, "--worst": worst > 0, "--bleu-tokenize": bleu_tokenize,
        "--lowercase": lowercase,
    }  # fmt: skip
    ranges.check_needs(*((name, value, "--reference", reference is not None) for name, value in of_reference.items()))
    settings = decoding.settings(
        searching=searching, drawing=drawing, max_length_ratio=max_length_ratio, no_repeat_ngram=no_repeat_ngram, prefix=prefix,
        seed=seed,
    )  # fmt: skip
    machine.check_ray(model, alone={})
    reporter = results.reporter("translate", machine)
    greedy = settings.policy.temperature == 0 and "with --temperature 0"
    given.without_effect(reporter, {
        "--seed": "without sampling" if settings.num_samples is None or not settings.policy.random else None,
        **dict.fromkeys(("--top-k", "--top-p"), greedy),
        "--length-penalty": settings.beam_size == 1 and "with --beam-size 1",
        "--with-scores": results.as_json and "in JSON, which always has log_prob",
    })  # fmt: skip
    arguments = rows.Arguments(source, results, reporter, machine, model or [], settings, signed=signature)
    display = rows.DisplayOptions(
        scores=with_scores,
        n_best=several,
        alignment=alignment,
        attention=attention,
        attention_file=attention_output is not None,
    )
    with ExitStack() as files:
        listeners: list[rows.Listener] = []
        if reference is not None:
            references = References(
                arguments,
                reference,
                column=reference_column,
                tokenize=bleu_tokenize,
                lowercase=lowercase,
                metrics=metrics,
                worst=worst,
            )
            listeners.append(files.enter_context(references))
        if attention_output is not None:
            listeners.append(files.enter_context(AttentionFile(attention_output, reporter=reporter)))
        rows.rows(arguments, display, listeners)
