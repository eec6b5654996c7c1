"""What a classifier says of texts whose labels are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seqcli.metrics import calibration, classification
from seqcli.metrics.classification import UNDECIDED, Report
from seqcli.tasks.classification.corpus import Texts
from seqcli.tasks.classification.opened import OpenClassifier, softmax


@dataclass(frozen=True)
class Answers:
    """targets: int [N], of `labels`; logits: float64 [N, C]; threshold: labels less probable are left undecided.

    Labels that the classifier does not know may follow its own, with logits of -inf.
    """

    opened: OpenClassifier
    labels: Sequence[str]
    targets: np.ndarray
    logits: np.ndarray
    threshold: float = 0.0

    @classmethod
    def to(cls, opened: OpenClassifier, texts: Texts, logits: np.ndarray, *, threshold: float = 0.0) -> Answers:
        """logits: float64 [N, C] of its own labels; what the classifier has no label for is impossible to it."""
        own = texts.with_labels(opened.labels)
        logits = np.pad(logits, ((0, 0), (0, len(own.labels) - logits.shape[1])), constant_values=-np.inf)
        return cls(opened, own.labels, own.targets, logits, threshold)

    @cached_property
    def shares(self) -> np.ndarray:
        """float64 [N], of the likeliest labels."""
        return softmax(self.logits / self.opened.temperature).max(axis=1)

    @cached_property
    def likeliest(self) -> np.ndarray:
        """int64 [N]."""
        return self.logits.argmax(axis=1)

    @cached_property
    def best(self) -> np.ndarray:
        """int64 [N], UNDECIDED below the threshold."""
        return np.where(self.shares < self.threshold, UNDECIDED, self.likeliest)

    @cached_property
    def report(self) -> Report:
        return classification.report(self.targets, self.best, classes=self.logits.shape[1])

    @property
    def _loss(self) -> float:
        """In nats per text; infinite where a label is impossible to the classifier."""
        if (self.targets >= len(self.opened.labels)).any():
            return math.inf
        return calibration.log_loss(self.logits, self.targets, temperature=self.opened.temperature)

    def figures(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Plain values. names: of the labels, as they are shown. Calibration is that of the likeliest, undecided or not."""
        return {
            "model": self.opened.name,
            **self.report.as_json(self.labels if names is None else names),
            "loss": self._loss,
            "calibration_error": calibration.expected_calibration_error(self.shares, self.likeliest == self.targets),
            "temperature": self.opened.temperature,
            "signature": self.opened.signed(texts=len(self.targets)),
        }
