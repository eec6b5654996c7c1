"""`seqcli classify`: which label does a text have, and how sure is that?"""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli.commands.options import SEED, Given, Machine, MixOption, Results, TextInput, real, whole, with_options
from seqcli.errors import UsageError


@with_options
def classify(
    source: TextInput,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--model", metavar="DIR", help="Model folder, or NAME=DIR; again with --evaluate.", show_default=False
        ),
    ] = None,
    mix: MixOption = None,
    top_k: Annotated[
        int | None, typer.Option(parser=whole(1, 10**6), help="JSON and tables: so many labels, likeliest first.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(parser=real(0, 1), help="A label less probable than this becomes ?.")
    ] = 0.0,
    label_prefix: Annotated[str, typer.Option(metavar="TEXT", help="Before every label, such as __label__.")] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="A row for each word: what it adds to the log-odds of the label.")
    ] = False,
    evaluate: Annotated[bool, typer.Option("--evaluate", help="Compare with the labels of the input.")] = False,
    label_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of a table of labelled texts: a name, or #N.")
    ] = None,
    errors: Annotated[
        int, typer.Option(parser=whole(0, 10**6), help="With --evaluate: so many of the most confident mistakes.")
    ] = 0,
    calibrate: Annotated[
        str | None, typer.Option(metavar="FILE", help="Labelled texts to fit the temperature of the probabilities to.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(parser=real(0.01, 1000), help="Of the probabilities.  [default: fitted in training]")
    ] = None,
    seed: SEED = 0,  # of nothing: every command takes one
    *,
    results: Results,
    machine: Machine,
    given: Given,
) -> None:
    """Label texts: sentiment, topics, whatever a classifier was trained on.

    One row per record, in order: label, probability, text. On a terminal a table, in a pipe TSV, with --json JSON Lines.
    Without -m the sample model for the text's script tells positive from negative. --evaluate reports accuracy, macro F1,
    every label's figures and the confusion matrix; with several -m side by side, with a paired test.
    """
    from seqcli.commands.classify import evaluation, explanation, rows
    from seqcli.commands.classify.question import Question
    from seqcli.commands.session import check_mix

    if evaluate and explain:
        raise UsageError("--evaluate does not go with --explain")
    if errors and not evaluate:
        raise UsageError("--errors needs --evaluate")
    if label_column is not None and not (evaluate or calibrate is not None or isinstance(mix, str)):
        raise UsageError("--label-column needs --evaluate, --calibrate or --mix FILE")
    if len(model or []) > 1 and not evaluate and mix is None:
        raise UsageError("several -m are compared with --evaluate, or asked as one with --mix")
    if calibrate is not None and temperature is not None:
        raise UsageError("--calibrate finds the --temperature: give one of them")
    if evaluate and (source.text or top_k or source.keep):
        raise UsageError("--evaluate reads labelled texts from --input FILE, without --keep and --top-k")
    if explain and (source.keep or top_k):
        raise UsageError("--explain does not go with --keep and --top-k")
    reporter = results.reporter("classify", machine)
    given.without_effect(reporter, {"--seed": "here: nothing is drawn at random"})
    check_mix(mix, model or [])
    question = Question(
        source, results, reporter, machine, model or [], mix=mix, threshold=threshold, prefix=label_prefix, calibrate=calibrate,
        temperature=temperature, label_column=label_column,
    )  # fmt: skip
    if evaluate:
        evaluation.evaluate(question, errors=errors)
    elif explain:
        explanation.explain(question)
    else:
        rows.rows(question, top_k=top_k)
