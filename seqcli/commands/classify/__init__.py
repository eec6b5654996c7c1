"""`seqcli classify`: the label of a text and its probability."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, with_options
from seqcli.commands.options import SEED, SIGNATURE, BatchMachine, MixOption, Results, TextInput
from seqcli.commands.parsers import label_names, real, whole
from seqcli.errors import UsageError


@with_options("Classification")
def classify(
    source: TextInput,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="DIR|FILE",
            help="Classifier folder, fastText model (.bin, .ftz) or hf:NAME[@REVISION] from the Hugging Face Hub, or NAME=DIR; repeatable with --evaluate and --mix.  [default: a small sample model]",
            show_default=False,
            rich_help_panel="Model",
        ),
    ] = None,
    mix: MixOption = None,
    top_k: Annotated[
        int | None, typer.Option(parser=whole(1, 10**6), help="Show the N most likely labels (JSON and tables).")
    ] = None,
    threshold: Annotated[
        float, typer.Option(parser=real(0, 1), help="Replace labels less probable than this with ?.")
    ] = 0.0,
    label_prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Put TEXT before every label, such as __label__.")
    ] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how much each word adds to the log-odds of the label.")
    ] = False,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Compare the predictions with the labels of the input.")
    ] = False,
    label_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with the labels of a table: a name, or #N.")
    ] = None,
    label_map: Annotated[
        dict | None,
        typer.Option(
            parser=label_names,
            metavar="LABEL=NAME,...",
            help="Rename labels of the input and of the model, such as 0=negative,1=positive.",
        ),
    ] = None,
    errors: Annotated[
        int, typer.Option(parser=whole(0, 10**6), help="Show the N most confident mistakes (with --evaluate).")
    ] = 0,
    calibrate: Annotated[
        str | None, typer.Option(metavar="FILE", help="Fit the temperature to the labelled texts in FILE.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            parser=real(0.01, 1000), help="Temperature of the probabilities.  [default: as fitted in training]"
        ),
    ] = None,
    signature: SIGNATURE = False,
    seed: SEED = 0,  # has no effect; every command accepts it
    *,
    results: Results,
    machine: BatchMachine,
    given: GivenOptions,
) -> None:
    """Label texts by sentiment, topic or whatever the classifier was trained on.

    Writes one row per record, in order: label, probability, text. The output is a table on a terminal, TSV in a pipe, JSON
    Lines with --json. Without -m, a sample model for English or Korean labels texts positive or negative. --evaluate reports
    accuracy, macro F1, the scores of each label and the confusion matrix, and compares several -m with a paired test.

    Examples:
      seqcli classify "What a wonderful film"
      seqcli classify "The plot is thin" --explain
      seqcli classify -m model -i reviews.csv --evaluate
    """
    from seqcli.commands.classify import evaluation, rows
    from seqcli.commands.classify.arguments import Arguments
    from seqcli.commands.models import check_mix
    from seqcli.data.labelled import LabelMap

    ranges.only_one({"--evaluate": evaluate, "--explain": explain})
    labelled = evaluate or calibrate is not None or isinstance(mix, str)
    ranges.check_needs(
        ("--errors", errors > 0, "--evaluate", evaluate),
        ("--label-column", label_column, "--evaluate, --calibrate or --mix FILE", labelled),
    )
    if len(model or []) > 1 and not evaluate and mix is None:
        raise UsageError("several -m need --evaluate or --mix")
    if calibrate is not None and temperature is not None:
        raise UsageError("--calibrate cannot be combined with --temperature, which it fits")
    if evaluate and (source.text or top_k or source.keep):
        raise UsageError("--evaluate reads labelled texts from --input FILE, without --keep and --top-k")
    if explain and (source.keep or top_k):
        raise UsageError("--explain cannot be combined with --keep and --top-k")
    machine.check_ray(model, alone={"--evaluate": evaluate, "--explain": explain})
    reporter = results.reporter("classify", machine)
    given.without_effect(reporter, {"--seed": "where nothing is random"})
    check_mix(mix, model or [])
    arguments = Arguments(
        source, results, reporter, machine, model or [], mix=mix, threshold=threshold, prefix=label_prefix, calibrate=calibrate,
        temperature=temperature, label_column=label_column, signed=signature,
        label_map=LabelMap.of(label_map),
    )  # fmt: skip
    if evaluate:
        evaluation.evaluate(arguments, errors=errors)
    elif explain:
        rows.explanations(arguments)
    else:
        rows.rows(arguments, top_k=top_k)
    arguments.note_unused_labels()
