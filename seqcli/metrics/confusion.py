"""How often a classifier names the right label, label by label; and whether one of two is better, or was lucky.

Everything is made of the confusion matrix. A prediction may be -1: no label was likely enough. It is wrong, as the
true label was not found, but it is nobody's false alarm: it lowers accuracy and recall, not precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqcli.metrics.significance import mcnemar, wilson

UNDECIDED = -1


def confusion(targets: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """How often label i (row) was called j (column): int64 [C, C]. Those of two parts of a text add up.

    targets: int [N] from 0 to C - 1; predicted: the same or -1, which is in no column.
    """
    targets, predicted = np.asarray(targets, np.int64), np.asarray(predicted, np.int64)
    decided = predicted != UNDECIDED
    cells = targets[decided] * classes + predicted[decided]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def undecided(targets: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """How often no label was likely enough, by the true one: int64 [C]."""
    return np.bincount(np.asarray(targets, np.int64)[np.asarray(predicted) == UNDECIDED], minlength=classes)


def report(targets: np.ndarray, predicted: np.ndarray, *, classes: int) -> Report:
    """targets: int [N]; predicted: int [N], -1 for none."""
    return Report(confusion(targets, predicted, classes=classes), undecided(targets, predicted, classes=classes))


def of_logits(logits: np.ndarray, targets: np.ndarray) -> Report:
    """The report on the most probable labels. logits: float [N, C]; targets: int [N], C or more for a label that is not among them."""
    classes = max(logits.shape[1], int(targets.max(initial=0)) + 1)
    return report(targets, logits.argmax(axis=1), classes=classes)


@dataclass(frozen=True, eq=False)
class Report:
    """The figures of one classifier on labelled texts; the figures of no texts are nan.

    With confusion [[8, 2], [1, 4]] accuracy is 12 / 15, the recall of label 0 is 8 / 10, its precision 8 / 9.
    """

    confusion: np.ndarray  # int64 [C, C], rows are the truth
    undecided_by_label: np.ndarray  # int64 [C]

    @property
    def texts(self) -> int:
        return int(self.support.sum())

    @property
    def correct(self) -> int:
        return int(np.trace(self.confusion))

    @property
    def undecided(self) -> int:
        return int(self.undecided_by_label.sum())

    @property
    def support(self) -> np.ndarray:
        """Texts of each label: int64 [C]."""
        return self.confusion.sum(axis=1) + self.undecided_by_label

    @property
    def accuracy(self) -> float:
        return self.correct / self.texts if self.texts else math.nan

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.correct, self.texts)

    @property
    def precision(self) -> np.ndarray:
        """Of what was called a label, the share that is: float64 [C], 0 where nothing was."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """Of what is a label, the share that was called so: float64 [C], 0 where nothing is."""
        return _share(np.diag(self.confusion), self.support)

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall: float64 [C], 0 where nothing is or was called so."""
        return _share(2 * np.diag(self.confusion), self.confusion.sum(axis=0) + self.support)

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels that occur, in the truth or among the predictions (as scikit-learn's by default).

        A label that does neither says nothing; one that was only predicted counts with 0. With [[8, 2], [1, 4]] it is
        the mean of 16 / 19 and 8 / 11.
        """
        occurs = (self.support + self.confusion.sum(axis=0)) > 0
        return float(self.f1[occurs].mean()) if occurs.any() else math.nan

    @property
    def majority(self) -> int:
        """The most frequent label; the first of several."""
        return int(self.support.argmax())

    @property
    def baseline(self) -> float:
        """The accuracy of always naming the most frequent label."""
        return int(self.support.max()) / self.texts if self.texts else math.nan


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


class Paired(NamedTuple):
    """Texts that just one of two classifiers gets right, and the two-sided exact p-value that they differ."""

    only_first: int
    only_second: int
    p: float


def paired(targets: np.ndarray, first: np.ndarray, second: np.ndarray) -> Paired:
    """McNemar's exact test of two classifiers on the same texts; all int [N]. 1 against 5 gives p = 14/64."""
    right, other = np.asarray(first) == targets, np.asarray(second) == targets
    only_first, only_second = int((right & ~other).sum()), int((other & ~right).sum())
    return Paired(only_first, only_second, mcnemar(only_first, only_second))
