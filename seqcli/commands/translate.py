"""`seqcli translate`: what is that in the other language?"""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli.commands.options import SEED, Machine, Results, TextInput, choice, real, whole, with_options
from seqcli.errors import UsageError


@with_options
def translate(
    source: TextInput,
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", metavar="DIR", help="Model folder, or NAME=DIR.", show_default=False)
    ] = None,
    beam_size: Annotated[int | None, typer.Option(parser=whole(1, 1000), help="Hypotheses kept; 1 is greedy.  [default: 5, or K]")] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(parser=real(0, 10), help="Hypotheses compare by log_prob / length^X; 0 prefers short ones.  [default: 1.0]"),
    ] = None,
    max_length_ratio: Annotated[
        float, typer.Option(parser=real(0.01, 100), help="Tokens of a translation to its source's, and ten more.")
    ] = 2.0,
    n_best: Annotated[
        int | None, typer.Option(parser=whole(1, 1000), metavar="K", help="K translations of each: line ||| translation ||| log_prob.")
    ] = None,
    with_scores: Annotated[bool, typer.Option("--with-scores", help="log_prob after each translation.")] = False,
    num_samples: Annotated[int | None, typer.Option(parser=whole(1, 1000), help="Draw so many instead of searching.")] = None,
    temperature: Annotated[
        float | None, typer.Option(parser=real(0, 1e6), help="Of draws: below 1 safer, 0 the likeliest token.  [default: 1]")
    ] = None,
    top_k: Annotated[int | None, typer.Option(parser=whole(1, 2**31 - 1), help="Draw from the K likeliest tokens only.")] = None,
    top_p: Annotated[
        float | None, typer.Option(parser=real(0, 1), help="From the fewest tokens that have this probability together.")
    ] = None,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="What every translation begins with, in whole words.")] = "",
    no_repeat_ngram: Annotated[
        int, typer.Option(parser=whole(0, 1000), metavar="N", help="No N tokens of a translation twice; 0: they may.")
    ] = 0,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Reference translation of each record, lines or a table: BLEU and chrF on standard error. May be given again: all count.", show_default=False),
    ] = None,
    reference_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of tables among --reference: a name, or #N.")
    ] = None,
    bleu_tokenize: Annotated[
        str | None, typer.Option(parser=choice("13a", "char", "intl", "none"), help="[default: char for Korean references, else 13a]")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="BLEU and chrF without upper case.")] = False,
    metrics: Annotated[str | None, typer.Option(metavar="FILE", help="JSON file for BLEU and chrF.")] = None,
    worst: Annotated[int, typer.Option(parser=whole(0, 10**6), help="With --reference: so many sentences of the lowest chrF.")] = 0,
    attention: Annotated[bool, typer.Option("--attention", help="Show where each token of a translation looked.")] = False,
    attention_output: Annotated[str | None, typer.Option(metavar="FILE", help="The same as .json or .png.")] = None,
    alignment: Annotated[
        bool, typer.Option("--alignment", help="After each translation, source word - target word by attention: 0-0 1-2.")
    ] = False,
    seed: SEED = 0,
    results: Results = None,
    machine: Machine = None,
) -> None:
    """Translate texts: one translation per record, in order.

    On a terminal a table, in a pipe TSV, with --json JSON Lines; a blank line stays blank. Without -m a sample model translates
    between English and Korean, by the text's script. What is too long for the model is translated in windows. Lines of --n-best
    count from 0, as in Moses; in JSON from 1, as everywhere here.
    """
    from contextlib import ExitStack

    from seqcli.commands.translate_modes import rows
    from seqcli.commands.translate_modes.job import Job
    from seqcli.commands.translate_modes.judged import Judged
    from seqcli.decoding.policy import Policy
    from seqcli.decoding.translate import Settings

    drawing = {"--num-samples": num_samples, "--temperature": temperature, "--top-k": top_k, "--top-p": top_p}
    drawn = [name for name, value in drawing.items() if value is not None]
    several = n_best is not None or (num_samples or 1) > 1
    looked_at = [name for name, given in {"--attention": attention, "--alignment": alignment}.items() if given]
    searching = {"--beam-size": beam_size, "--n-best": n_best, "--length-penalty": length_penalty}
    searched = [name for name, value in searching.items() if value is not None]
    if drawn and searched:
        raise UsageError(f"{drawn[0]} does not go with {searched[0]}")
    if several and (looked_at or with_scores) and not results.json:
        raise UsageError(f"{(looked_at or ['--with-scores'])[0]} does not go with several translations of each", cure="use --json")
    if several and (source.keep or results.header) and not results.json:
        raise UsageError(f"{'--keep' if source.keep else '--header'} does not go with several translations of each", cure="use --json")
    if len(model or []) > 1:
        raise UsageError("one translator translates at a time", where="-m")
    judging = {
        "--reference-column": reference_column, "--metrics": metrics, "--worst": worst, "--bleu-tokenize": bleu_tokenize,
        "--lowercase": lowercase,
    }  # fmt: skip
    for name, given in judging.items():
        if given and reference is None:
            raise UsageError(f"{name} needs --reference")
    settings = Settings(
        beam_size=beam_size or max(5, n_best or 1), n_best=n_best or 1,
        length_penalty=1.0 if length_penalty is None else length_penalty, max_length_ratio=max_length_ratio,
        no_repeat_ngram=no_repeat_ngram, prefix=prefix, num_samples=num_samples or 1 if drawn else None, seed=seed,
        policy=Policy(temperature=1.0 if temperature is None else temperature, top_k=top_k, top_p=1.0 if top_p is None else top_p),
    )  # fmt: skip
    reporter = results.reporter("translate", machine)
    job = Job(
        source, results, reporter, model or [], machine=machine, settings=settings,
        attending=bool(looked_at or attention_output),
    )  # fmt: skip
    shown = rows.Shown(scores=with_scores, n_best=several, alignment=alignment, attention=attention)
    with ExitStack() as files:
        listeners = []
        if reference is not None:
            judged = Judged(
                job, reference, column=reference_column, tokenize=bleu_tokenize, lowercase=lowercase, metrics=metrics, worst=worst
            )
            listeners.append(files.enter_context(judged))
        if attention_output is not None:
            from seqcli.commands.translate_modes.attention_file import AttentionFile  # brings rich

            listeners.append(files.enter_context(AttentionFile(attention_output, reporter=reporter)))
        rows.rows(job, shown, listeners)
