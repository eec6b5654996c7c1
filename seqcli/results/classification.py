"""Typed results of classification: labels, explanations and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seqcli.results import LOG, SHARE, WHOLE, Result, shown


@dataclass(frozen=True)
class LabelProbability(Result):
    """A label of a text."""

    label: str
    probability: float


@dataclass(frozen=True)
class Classification(Result):
    """The most probable label of a text; labels: all of them, or the top k, most probable first."""

    label: str = shown()
    probability: float = shown(SHARE, "%.3f")
    text: str = shown()
    labels: list[LabelProbability] = field(default_factory=list)


@dataclass(frozen=True)
class WordInfluence(Result):
    """change: how much the log-odds of the label fall without the word, in nats."""

    word: str = shown()
    change: float = shown(LOG, "%+.2f")


@dataclass(frozen=True)
class Explanation(Result):
    """The label of a text, and how much each of its words adds to the log-odds. grouped: of a long text so many consecutive words
    are as one."""

    text: str
    label: str
    probability: float
    words: list[WordInfluence]
    grouped: int = 1


@dataclass(frozen=True)
class LabelFigures(Result):
    """Scores of one label; support: number of texts with this label."""

    label: str = shown()
    precision: float = shown("%.4f")
    recall: float = shown("%.4f")
    f1: float = shown("%.4f")
    support: int = shown(WHOLE)


@dataclass(frozen=True)
class Evaluation(Result):
    """Scores of a classifier on labelled texts. ci_low, ci_high: Wilson's 95 % interval of the accuracy;
    majority_accuracy: accuracy of always predicting the most frequent label; undecided: texts without a sufficiently
    probable label; confusion: entry (i, j) is the number of texts with label i that were predicted as j; loss: nats
    per text whose label the classifier has; calibration_error: expected calibration error of the most probable labels."""

    model: str
    texts: int
    accuracy: float
    ci_low: float
    ci_high: float
    macro_f1: float
    majority_label: str | None
    majority_accuracy: float
    undecided: int
    labels: list[LabelFigures]
    confusion: list[list[int]]
    loss: float
    calibration_error: float
    temperature: float
    signature: str

    @classmethod
    def of(
        cls, model: str, report: Any, labels: Sequence[str], *, loss: float, calibration_error: float, temperature: float,
        signature: str,
    ) -> Evaluation:  # fmt: skip
        """report: a `metrics.confusion.Report`; labels: the names of its labels."""
        columns = (figure.tolist() for figure in (report.precision, report.recall, report.f1, report.support))
        low, high = report.interval()
        return cls(
            model, report.texts, report.accuracy, low, high, report.macro_f1,
            labels[report.majority] if report.texts else None, report.baseline, report.undecided,
            [LabelFigures(*row) for row in zip(labels, *columns)], report.confusion.tolist(), loss, calibration_error, temperature,
            signature,
        )  # fmt: skip


@dataclass(frozen=True)
class Mistake(Result):
    """A text whose predicted label differs from its true label."""

    line: int = shown(WHOLE)
    truth: str = shown()
    label: str = shown()
    probability: float = shown(SHARE, "%.3f")
    text: str = shown()
