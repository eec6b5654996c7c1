"""`classify --evaluate`: scores, the confusion matrix, the most confident mistakes, and a test whether one of two
classifiers is better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING

from seqcli.commands.classify.arguments import Arguments
from seqcli.commands.models import Models
from seqcli.data import lines
from seqcli.data.files import STDIN
from seqcli.errors import UsageError
from seqcli.report.frame import Column, columns_of_rows
from seqcli.report.output import JSON, TABLE, Output
from seqcli.results.classification import Evaluation, LabelFigures, Mistake

if TYPE_CHECKING:
    from seqcli.tasks.classification.data import Texts
    from seqcli.tasks.classification.evaluate import Predictions
    from seqcli.tasks.classification.load import OpenClassifier


def evaluate(arguments: Arguments, *, errors: int) -> None:
    """Reports on each classifier; on several, with a paired test against the first. Without -m, there is one report
    per script."""
    from seqcli.tasks.classification.data import JUDGED
    from seqcli.tasks.classification.evaluate import Predictions

    if STDIN in arguments.source.paths and lines.is_interactive():
        raise UsageError("nothing to read", cure="for example\n  seqcli classify -m DIR --evaluate -i FILE.tsv")
    reporter = arguments.reporter
    classifiers = arguments.open_classifiers()
    workers = arguments.machine.threads if classifiers.may_fork else 1
    known = classifiers.chosen[0].labels if classifiers.chosen else []
    texts = arguments.read_labelled_input(labels=known)
    predictions = []
    with arguments.results.opened() as out:
        for opened, own_texts in _with_texts(classifiers, texts):
            own = own_texts.with_labels(opened.labels)
            logits = arguments.logits(opened, own, workers=workers)
            predictions.append(Predictions.of(opened, own, logits, threshold=arguments.threshold))
            reporter.clear()
            own.note_unknown(len(opened.labels), to="it", effect=JUDGED, where=opened.name, reporter=reporter)
            names = arguments.names(own.labels)
            _show(
                arguments,
                out,
                predictions[-1],
                names,
                predictions[-1].mistakes(own, names, most=errors) if errors else None,
            )
    for other in predictions[1:] if classifiers.chosen else ():
        reporter.note(_difference(predictions[0], other))


def _with_texts(classifiers: Models[OpenClassifier], texts: Texts) -> Iterator[tuple[OpenClassifier, Texts]]:
    """Each classifier with the texts to label."""
    if classifiers.samples is None:
        yield from ((opened, texts) for opened in classifiers.chosen)
        return
    import numpy as np

    samples = classifiers.samples
    languages = np.array([samples.language_of(record) for record in texts.data.decode().split("\n")[:-1]])
    samples.note()
    for language in dict.fromkeys(languages.tolist()):
        yield samples.of(language), texts.only(languages == language)


def _show(
    arguments: Arguments, out: Output, predictions: Predictions, names: Sequence[str], mistakes: list[Mistake] | None
) -> None:
    """names: of the labels; mistakes: None if they are not shown."""
    evaluation = predictions.evaluation(names)
    if out.mode == JSON:
        errors = {} if mistakes is None else {"errors": [row.to_dict() for row in mistakes]}
        out.rows([], json=[{**evaluation.to_dict(), **predictions.further(), **errors}])
    elif out.mode == TABLE:
        from seqcli.report import confusion

        signature = arguments.signature_in(out, evaluation.signature).strip()
        out.rows(_summary(evaluation, predictions.further(), signature), title=evaluation.model)
        by_label = columns_of_rows(evaluation.labels, LabelFigures)
        out.rows([replace(column, name="F1") if column.name == "f1" else column for column in by_label])
        report = predictions.report
        out.write(
            confusion.picture(report.confusion, names, undecided=report.undecided_by_label, color=out.color) + "\n"
        )
        if mistakes:
            _, *columns = columns_of_rows(mistakes, Mistake)
            out.rows([Column("line", [str(row.line) for row in mistakes]), *columns], title="most confident mistakes")
    else:
        columns = _plain(evaluation, predictions.further(), mistakes or [])
        out.begin([column.name for column in columns])
        out.rows(columns)


def _summary(evaluation: Evaluation, further: dict[str, float], signature: str) -> list[Column]:
    rows_ = {
        "texts": f"{evaluation.texts:,}" + (f", {evaluation.undecided:,} undecided" if evaluation.undecided else ""),
        "accuracy": f"{100 * evaluation.accuracy:.2f} % (95 % interval {100 * evaluation.ci_low:.2f} to {100 * evaluation.ci_high:.2f})",
        "macro F1": f"{evaluation.macro_f1:.4f}",
        "majority": f"{100 * evaluation.majority_accuracy:.2f} % are {evaluation.majority_label}",
        "loss": "none: no text has a label known to it"
        if isnan(evaluation.loss)
        else f"{evaluation.loss:.4f} nats per text",
        "calibration": f"error {evaluation.calibration_error:.4f} at temperature {evaluation.temperature:.3f}",
        **{name: f"{score:.4f}" for name, score in further.items()},
        **({"signature": signature} if signature else {}),
    }
    return [Column("what", list(rows_)), Column("value", list(rows_.values()))]


def _plain(evaluation: Evaluation, further: dict[str, float], mistakes: list[Mistake]) -> list[Column]:
    """For pipes: model, score, label, value; the value of a mistake is its text."""
    labels = [row.label for row in evaluation.labels]
    rows_: list[tuple[str, str, object]] = []
    for name, value in {**evaluation.to_dict(), **further}.items():
        if name == "labels":
            rows_ += [(key, row["label"], row[key]) for row in value for key in row if key != "label"]
        elif name == "confusion":
            rows_ += [
                (name, f"{truth} as {predicted}", n)
                for truth, row in zip(labels, value)
                for predicted, n in zip(labels, row)
            ]
        elif name != "model":
            rows_.append((name, "", value))
    rows_ += [("error", f"{row.truth} as {row.label}", f"{row.probability:.6f} {row.text}") for row in mistakes]
    values = [_written(value) for _, _, value in rows_]
    return [
        Column("model", [evaluation.model] * len(rows_)), Column("figure", [name for name, _, _ in rows_]),
        Column("label", [label for _, label, _ in rows_]), Column("value", values),
    ]  # fmt: skip


def _written(value: object) -> str:
    """Nothing for what is undefined."""
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.6f}"
    return "" if value is None else str(value)


def _difference(first: Predictions, other: Predictions) -> str:
    import numpy as np

    from seqcli.metrics.confusion import paired

    index = {label: k for k, label in enumerate(other.opened.labels)}
    same = np.array([*(index.get(label, -1) for label in first.opened.labels), -1])
    test = paired(other.targets, same[first.best], other.best)
    verdict = ": no clear difference" if test.p > 0.05 else ""
    return (
        f"correct only by {first.opened.name}: {test.only_first:,} texts, only by {other.opened.name}: "
        f"{test.only_second:,} (exact McNemar test): p = {test.p:.2g}{verdict}"
    )
