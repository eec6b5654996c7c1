"""How often the labels are right: figures, the confusion matrix, the surest mistakes, and whether one of two is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seqcli.commands.classify_modes.job import Job
from seqcli.data import lines
from seqcli.data.files import STDIN
from seqcli.errors import UsageError, listed
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import JSON, TABLE, Output

if TYPE_CHECKING:
    from seqcli.metrics.classification import Report
    from seqcli.tasks.classification.data import Texts
    from seqcli.tasks.classification.evaluate import Answers
    from seqcli.tasks.classification.load import OpenClassifier


def evaluate(job: Job, *, errors: int) -> None:
    """One report for each classifier; of several the paired test against the first. Without -m there is one for each script."""
    from seqcli.tasks.classification.evaluate import Answers

    if STDIN in job.source.paths and lines.is_interactive():
        raise UsageError("nothing to read", cure="for example\n  seqcli classify -m DIR --evaluate -i FILE.tsv")
    known = job.classifiers[0].labels if job.sources else []
    texts = job.labelled_input.read(labels=known, others=True, reporter=job.reporter)
    answers = []
    with job.results.opened() as out:
        for opened, asked in _asked(job, texts):
            own = asked.with_labels(opened.labels)
            answers.append(Answers.to(opened, own, job.logits_of(opened, own), threshold=job.threshold))
            job.reporter.clear()
            _note_unknown(job, opened, own)
            _shown(out, answers[-1], job.names(own.labels), own, errors)
    for other in answers[1:] if job.sources else ():
        job.reporter.note(_difference(answers[0], other))


def _asked(job: Job, texts: Texts) -> Iterator[tuple[OpenClassifier, Texts]]:
    """Each classifier with the texts that it is to label."""
    if job.sources:
        yield from ((opened, texts) for opened in job.classifiers)
        return
    import numpy as np

    languages = np.array([job.samples.language_of(record) for record in texts.data.decode().split("\n")[:-1]])
    job.note_samples()
    for language in dict.fromkeys(languages.tolist()):
        yield job.samples.of(language), texts.only(languages == language)


def _note_unknown(job: Job, opened: OpenClassifier, texts: Texts) -> None:
    known = len(opened.labels)
    if others := texts.labels[known:]:
        count = int((texts.targets >= known).sum())
        what = "1 text has a label" if count == 1 else f"{count:,} texts have labels"
        job.reporter.note(f"{opened.name}: {what} that it does not know, counted as wrong: {listed(others)}")


def _shown(out: Output, answers: Answers, names: list[str], texts: Texts, errors: int) -> None:
    figures, mistakes = answers.figures(names), _mistakes(answers, names, texts, errors)
    if out.mode == JSON:
        out.rows([], json=[figures | ({"errors": mistakes} if errors else {})])
    elif out.mode == TABLE:
        from seqcli.report import confusion

        report = answers.report
        out.rows(_summary(report, figures), title=figures["model"])
        out.rows([
            Column("label", names), Column("precision", report.precision, "%.4f"), Column("recall", report.recall, "%.4f"),
            Column("F1", report.f1, "%.4f"), Column("support", report.support, WHOLE),
        ])  # fmt: skip
        out.write(confusion.picture(report.confusion, names, undecided=report.undecided_by_label, color=out.color) + "\n")
        if mistakes:
            columns = [Column(name, [str(row[name]) for row in mistakes]) for name in ("line", "truth", "label", "text")]
            columns.insert(3, Column("probability", [row["probability"] for row in mistakes], "%.3f"))
            out.rows(columns, title="the surest mistakes")
    else:
        columns = _plain(figures, mistakes)
        out.begin([column.name for column in columns])
        out.rows(columns)


def _mistakes(answers: Answers, names: list[str], texts: Texts, count: int) -> list[dict[str, Any]]:
    """Those that it was surest of."""
    wrong = (answers.best != answers.targets) & (answers.best >= 0)
    surest = [k for k in (-answers.shares).argsort(kind="stable").tolist() if wrong[k]][:count]
    records = texts.data.decode().split("\n") if surest else []
    return [
        {"line": texts.line(k), "truth": names[answers.targets[k]], "label": names[answers.best[k]],
         "probability": float(answers.shares[k]), "text": records[k]}
        for k in surest
    ]  # fmt: skip


def _summary(report: Report, figures: dict[str, Any]) -> list[Column]:
    low, high = report.interval()
    rows_ = {
        "texts": f"{report.texts:,}" + (f", {report.undecided:,} undecided" if report.undecided else ""),
        "accuracy": f"{100 * report.accuracy:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f})",
        "macro F1": f"{report.macro_f1:.4f}",
        "majority": f"{100 * report.baseline:.2f} % are {figures['majority_label']}",
        "loss": f"{figures['loss']:.4f} nats a text",
        "calibration": f"error {figures['calibration_error']:.4f} at temperature {figures['temperature']:.3f}",
        "signature": figures["signature"],
    }
    return [Column("what", list(rows_)), Column("value", list(rows_.values()))]


def _plain(figures: dict[str, Any], mistakes: list[dict[str, Any]]) -> list[Column]:
    """For pipes: model, figure, of which label, value; a mistake's value is its text."""
    rows_: list[tuple[str, str, str]] = []
    for name, value in figures.items():
        if name == "labels":
            rows_ += [(key, row["label"], row[key]) for row in value for key in ("precision", "recall", "f1", "support")]
        elif name == "confusion":
            labels = [row["label"] for row in figures["labels"]]
            rows_ += [(name, f"{truth} as {said}", n) for truth, row in zip(labels, value) for said, n in zip(labels, row)]
        elif name != "model":
            rows_.append((name, "", value))
    rows_ += [("error", f"{row['truth']} as {row['label']}", f"{row['probability']:.6f} {row['text']}") for row in mistakes]
    values = [f"{value:.6f}" if isinstance(value, float) else str(value) for _, _, value in rows_]
    return [
        Column("model", [figures["model"]] * len(rows_)), Column("figure", [name for name, _, _ in rows_]),
        Column("label", [label for _, label, _ in rows_]), Column("value", values),
    ]  # fmt: skip


def _difference(first: Answers, other: Answers) -> str:
    import numpy as np

    from seqcli.metrics import classification

    place = {label: k for k, label in enumerate(other.opened.labels)}
    same = np.array([*(place.get(label, -1) for label in first.opened.labels), -1])
    test = classification.paired(other.targets, same[first.best], other.best)
    verdict = ": no clear difference" if test.p > 0.05 else ""
    return (
        f"{first.opened.name} alone is right about {test.only_first:,} texts, {other.opened.name} alone about "
        f"{test.only_second:,} (McNemar, exact): p = {test.p:.2g}{verdict}"
    )
