"""Evaluates a classifier on texts with known labels.

During training, held-out texts are read in parts of a few thousand tokens and in a seeded order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seqcli.metrics import calibration, classifier, confusion
from seqcli.metrics.confusion import UNDECIDED, Report
from seqcli.results.classification import Evaluation, Mistake
from seqcli.tasks.classification.data import Texts
from seqcli.tasks.classification.load import OpenClassifier
from seqcli.token_batch import TokenBatch, in_parts


@dataclass(frozen=True)
class Predictions:
    """targets: int [N], of `labels`; logits: float64 [N, C]; threshold: less probable labels are left undecided.

    Labels that the classifier does not have may follow its own, with logits of -inf.
    """

    opened: OpenClassifier
    labels: Sequence[str]
    targets: np.ndarray
    logits: np.ndarray
    threshold: float = 0.0

    @classmethod
    def of(cls, opened: OpenClassifier, texts: Texts, logits: np.ndarray, *, threshold: float = 0.0) -> Predictions:
        """logits: float64 [N, C] of the classifier's labels; other labels get probability 0."""
        own = texts.with_labels(opened.labels)
        logits = np.pad(logits, ((0, 0), (0, len(own.labels) - logits.shape[1])), constant_values=-np.inf)
        return cls(opened, own.labels, own.targets, logits, threshold)

    @cached_property
    def _probabilities(self) -> np.ndarray:
        """float64 [N, C], of the labels that the classifier has."""
        return self.opened.probabilities_of(self.logits[:, : len(self.opened.labels)])

    @cached_property
    def shares(self) -> np.ndarray:
        """The probabilities of the most likely labels, float64 [N]."""
        return self._probabilities.max(axis=1)

    @cached_property
    def likeliest(self) -> np.ndarray:
        """The most likely labels, int64 [N]."""
        return self._probabilities.argmax(axis=1)

    @cached_property
    def best(self) -> np.ndarray:
        """The predicted labels, int64 [N]; UNDECIDED below the threshold."""
        return np.where(self.shares < self.threshold, UNDECIDED, self.likeliest)

    @cached_property
    def report(self) -> Report:
        return confusion.report(self.targets, self.best, classes=self.logits.shape[1])

    @property
    def _loss(self) -> float:
        """The loss in nats per text, over texts whose label the classifier has; nan if there are none."""
        known = self.targets < len(self.opened.labels)
        return calibration.log_loss(self.logits[known], self.targets[known], temperature=self.opened.temperature)

    def evaluation(self, names: Sequence[str] | None = None) -> Evaluation:
        """names: of the labels, as displayed. Calibration is measured on the most likely labels, including undecided ones."""
        return Evaluation.of(
            self.opened.name, self.report, self.labels if names is None else names, loss=self._loss,
            calibration_error=calibration.expected_calibration_error(self.shares, self.likeliest == self.targets),
            temperature=self.opened.temperature, signature=self.opened.signed(texts=len(self.targets)),
        )  # fmt: skip

    def further(self) -> dict[str, float]:
        """Metrics that `Evaluation` does not have, by name."""
        scores = classifier.scores(self.logits[:, : len(self.opened.labels)] / self.opened.temperature, self.targets)
        known = {field.name for field in dataclasses.fields(Evaluation)}
        return {name: score for name, score in scores.items() if name not in known}

    def mistakes(self, texts: Texts, names: Sequence[str], *, most: int) -> list[Mistake]:
        """The most confident mistakes, at most `most`. texts: those of the predictions."""
        wrong = (self.best != self.targets) & (self.best != UNDECIDED)
        confident = [k for k in (-self.shares).argsort(kind="stable").tolist() if wrong[k]][:most]
        records = texts.data.decode().split("\n") if confident else []
        return [
            Mistake(texts.line(k), names[self.targets[k]], names[self.best[k]], float(self.shares[k]), records[k])
            for k in confident
        ]


_PART = 8192  # tokens


class HeldOut:
    """A `training.recorder.HeldOut`. targets: int32 [B], labels of the rows of `texts`; labels: number of labels of the classifier,
    of which at least one target is; products: the dtype of matrix products."""

    def __init__(self, texts: TokenBatch, targets: np.ndarray, *, labels: int, metric: str, products: Any, seed: int):
        self._texts, self._targets, self._metric, self._products = texts, targets, metric, products
        order = np.random.default_rng([seed, 1]).permutation(len(targets))
        first = int((targets[order] < labels).argmax())  # so that the loss of every sample is defined
        order[[0, first]] = order[[first, 0]]
        self._parts = in_parts(texts.lengths, order=order, tokens=_PART)

    def __len__(self) -> int:
        return len(self._parts)

    def answer(self, model: Any, part: int) -> np.ndarray:
        """Logits of its rows, float64 [b, C]."""
        model.products = self._products
        return model.classify(self._texts.at(self._parts[part])).astype(np.float64)

    def figures(self, answers: Sequence[np.ndarray]) -> tuple[float, dict[str, Any]]:
        """The metric, and all figures; `held_out_texts`: number of texts, including those not evaluated."""
        rows = np.concatenate(self._parts[: len(answers)])
        inverse = np.argsort(rows)  # restores the original order, so that the figures are exactly reproducible
        found = figures(np.concatenate(answers)[inverse], self._targets[rows[inverse]])
        return classifier.directions()[self._metric] * found[self._metric], {
            **found,
            "held_out_texts": len(self._targets),
        }


def figures(logits: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Scores on held-out texts: all metrics, the temperature of `--calibrate` and the loss at it, in nats per text.

    logits: float64 [N, C]; targets: int [N]. Targets of C or more are labels that the classifier does not have: they count as
    wrong, and are excluded from losses and temperature.
    """
    scores = classifier.scores(logits, targets)
    texts, known = len(targets), targets < logits.shape[1]
    logits, targets = logits[known], targets[known]
    temperature = calibration.temperature(logits, targets, pseudo_count=calibration.PSEUDO_COUNT)
    return {
        "texts": texts,
        **scores,
        "temperature": temperature,
        "calibrated_loss": calibration.log_loss(logits, targets, temperature=temperature),
    }


def baseline(texts: Texts, held_out: Texts) -> dict[str, Any]:
    """Figures that do not depend on the text. `majority`: the most frequent label of the training texts; `accuracy`: the share of held-out texts that have it;
    `prior_loss`: loss in nats of predicting the add-one smoothed label frequencies of the training texts, per held-out text with one
    of their labels."""
    counts = np.bincount(texts.targets, minlength=len(texts.labels))
    log_prior = np.log((counts + 1) / (len(texts) + len(counts)))
    majority, known = int(counts.argmax()), held_out.targets[held_out.targets < len(counts)]
    return {
        "majority": texts.labels[majority],
        "accuracy": float((held_out.targets == majority).mean()) if len(held_out) else 0.0,
        "prior_loss": float(-log_prior[known].mean()) if len(known) else 0.0,
    }
