"""`seqcli translate`: what is that in the other language?"""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.options import (
    SEED,
    Given,
    Machine,
    Results,
    TextInput,
    as_options,
    choice,
    number,
    whole,
    with_options,
)
from seqcli.errors import UsageError


@with_options
def translate(
    source: TextInput,
    model: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", metavar="DIR", help="Model folder, or NAME=DIR.", show_default=False),
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option(parser=number(ranges.BEAM), help="Hypotheses kept; 1 is greedy.  [default: 5, or K]")
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.LENGTH_PENALTY),
            help="Hypotheses compare by log_prob / length^X; 0 prefers short ones.  [default: 1.0]",
        ),
    ] = None,
    max_length_ratio: Annotated[
        float,
        typer.Option(parser=number(ranges.LENGTH_RATIO), help="Tokens of a translation to its source's, and ten more."),
    ] = 2.0,
    n_best: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.BEAM),
            metavar="K",
            help="K different translations of each: line ||| translation ||| log_prob.",
        ),
    ] = None,
    with_scores: Annotated[bool, typer.Option("--with-scores", help="log_prob after each translation.")] = False,
    num_samples: Annotated[
        int | None, typer.Option(parser=number(ranges.BEAM), help="Draw so many instead of searching.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.TEMPERATURE), help="Of draws: below 1 safer, 0 the likeliest token.  [default: 1]"
        ),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(parser=number(ranges.TOP_K), help="Draw from the K likeliest tokens only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(parser=number(ranges.SHARE), help="From the fewest tokens that have this probability together."),
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="What every translation begins with, in whole words; white space around it is ignored."
        ),
    ] = "",
    no_repeat_ngram: Annotated[
        int,
        typer.Option(
            parser=number(ranges.NO_REPEAT_NGRAM), metavar="N", help="No N tokens of a translation twice; 0: they may."
        ),
    ] = 0,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Reference translation of each record, lines or a table: BLEU and chrF on standard error. May be given again: all count.",
            show_default=False,
        ),
    ] = None,
    reference_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of tables among --reference: a name, or #N.")
    ] = None,
    bleu_tokenize: Annotated[
        str | None,
        typer.Option(
            parser=choice("13a", "char", "intl", "none"), help="[default: char for Korean references, else 13a]"
        ),
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="BLEU and chrF without upper case.")] = False,
    metrics: Annotated[str | None, typer.Option(metavar="FILE", help="JSON file for BLEU and chrF.")] = None,
    worst: Annotated[
        int, typer.Option(parser=whole(0, 10**6), help="With --reference: so many sentences of the lowest chrF.")
    ] = 0,
    attention: Annotated[
        bool, typer.Option("--attention", help="Show where each token of a translation looked.")
    ] = False,
    attention_output: Annotated[str | None, typer.Option(metavar="FILE", help="The same as .json or .png.")] = None,
    alignment: Annotated[
        bool,
        typer.Option("--alignment", help="After each translation, source word - target word by attention: 0-0 1-2."),
    ] = False,
    seed: SEED = 0,
    *,
    results: Results,
    machine: Machine,
    given: Given,
) -> None:
    """Translate texts: one translation per record, in order.

    On a terminal a table, in a pipe TSV, with --json JSON Lines, where finish_reason is "length" if a translation was cut at its
    greatest length, so that its log_prob has no end </s>. A blank line stays blank. Without -m a sample model translates
    between English and Korean, by the text's script. What is too long for the model is translated in windows. Lines of --n-best
    count from 0, as in Moses; in JSON from 1, as everywhere here.
    """
    from contextlib import ExitStack

    from seqcli.commands.translate import rows
    from seqcli.commands.translate.question import Question
    from seqcli.commands.translate.references import References
    from seqcli.decoding import translate as decoding

    drawing = {"num_samples": num_samples, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    searching = {"beam_size": beam_size, "n_best": n_best, "length_penalty": length_penalty}
    ranges.exclusive(as_options(drawing), as_options(searching))
    several = n_best is not None or (num_samples or 1) > 1
    looked_at = [name for name, asked in {"--attention": attention, "--alignment": alignment}.items() if asked]
    if several and (looked_at or with_scores) and not results.as_json:
        raise UsageError(
            f"{(looked_at or ['--with-scores'])[0]} does not go with several translations of each", cure="use --json"
        )
    if several and (source.keep or results.header) and not results.as_json:
        raise UsageError(
            f"{'--keep' if source.keep else '--header'} does not go with several translations of each",
            cure="use --json",
        )
    if len(model or []) > 1:
        raise UsageError("one translator translates at a time", where="-m")
    judging = {
        "--reference-column": reference_column, "--metrics": metrics, "--worst": worst, "--bleu-tokenize": bleu_tokenize,
        "--lowercase": lowercase,
    }  # fmt: skip
    for name, asked in judging.items():
        if asked and reference is None:
            raise UsageError(f"{name} needs --reference")
    settings = decoding.settings(
        searching=searching, drawing=drawing, max_length_ratio=max_length_ratio, no_repeat_ngram=no_repeat_ngram, prefix=prefix,
        seed=seed,
    )  # fmt: skip
    reporter = results.reporter("translate", machine)
    greedy = settings.policy.temperature == 0 and "with --temperature 0"
    given.without_effect(reporter, {
        "--seed": "where no translation is drawn at random" if settings.num_samples is None or not settings.policy.random else None,
        **dict.fromkeys(("--top-k", "--top-p"), greedy),
        "--length-penalty": settings.beam_size == 1 and "with --beam-size 1",
        "--with-scores": results.as_json and "in JSON, which always has log_prob",
    })  # fmt: skip
    question = Question(source, results, reporter, machine, model or [], settings)
    shown = rows.Shown(
        scores=with_scores,
        n_best=several,
        alignment=alignment,
        attention=attention,
        attention_elsewhere=attention_output is not None,
    )
    with ExitStack() as files:
        listeners: list[rows.Listener] = []
        if reference is not None:
            references = References(
                question,
                reference,
                column=reference_column,
                tokenize=bleu_tokenize,
                lowercase=lowercase,
                metrics=metrics,
                worst=worst,
            )
            listeners.append(files.enter_context(references))
        if attention_output is not None:
            from seqcli.commands.translate.attention_file import AttentionFile  # brings rich

            listeners.append(files.enter_context(AttentionFile(attention_output, reporter=reporter)))
        rows.rows(question, shown, listeners)
