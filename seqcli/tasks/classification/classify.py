"""Predicts the labels of texts, and the influence of each word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seqcli.results.classification import Classification, Explanation, LabelProbability, WordInfluence
from seqcli.scoring.influence import influences
from seqcli.tasks.classification.load import OpenClassifier

UNSURE = "?"


def decided(label: str, probability: float, *, threshold: float) -> str:
    """The label, or UNSURE if it is less probable than the threshold."""
    return UNSURE if probability < threshold else label


@dataclass(frozen=True, eq=False)
class Classified:
    """Predictions for N texts. labels: as displayed; probabilities: float64 [N, C], of every label; threshold: of `decided`."""

    labels: Sequence[str]
    probabilities: np.ndarray
    threshold: float = 0.0

    @cached_property
    def best(self) -> np.ndarray:
        """The most probable label: int64 [N]."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def probability(self) -> np.ndarray:
        """The probability of the most probable label: float64 [N]."""
        return self.probabilities[np.arange(len(self.best)), self.best]

    @property
    def label(self) -> list[str]:
        names = [self.labels[k] for k in self.best.tolist()]
        if not self.threshold:
            return names
        return [decided(name, p, threshold=self.threshold) for name, p in zip(names, self.probability.tolist())]

    def likeliest(self, top_k: int | None = None) -> np.ndarray:
        """The indices of the most probable labels, ties broken by position: int64 [N, top_k], or [N, C]."""
        if top_k == 1:
            return self.best[:, None]
        return (-self.probabilities).argsort(axis=1, kind="stable")[:, :top_k]

    def results(self, texts: Sequence[str], *, top_k: int | None = None) -> Iterator[Classification]:
        """A result for each text."""
        order = self.likeliest(top_k)
        names = map(self.labels.__getitem__, order.ravel().tolist())
        ranked = list(
            map(LabelProbability, names, np.take_along_axis(self.probabilities, order, axis=1).ravel().tolist())
        )
        count = order.shape[1]
        for k, (text, label) in enumerate(zip(texts, self.label, strict=True)):
            labels = ranked[k * count : (k + 1) * count]
            yield Classification(label, labels[0].probability, text, labels)

    def objects(self, texts: Sequence[str], *, top_k: int | None = None) -> Iterator[dict[str, Any]]:
        """The dictionary of each result, for JSON; four times as fast as by way of the results."""
        for text, label, likeliest in zip(texts, self.label, self._ranked(top_k), strict=True):
            labels = [{"label": name, "probability": p} for name, p in likeliest]
            yield {"text": text, "label": label, "probability": labels[0]["probability"], "labels": labels}

    def _ranked(self, top_k: int | None) -> Iterator[Iterator[tuple[str, float]]]:
        """The most probable labels of each text with their probabilities."""
        order = self.likeliest(top_k)
        shares = np.take_along_axis(self.probabilities, order, axis=1).tolist()
        for labels, probabilities in zip(order.tolist(), shares):
            yield zip(map(self.labels.__getitem__, labels), probabilities)


def explain(opened: OpenClassifier, text: str) -> Explanation:
    """The label of a text, and the contribution of each word to its log-odds."""
    found = influences(opened.logits, text, temperature=opened.temperature, probabilities=opened.probabilities_of)
    words = [WordInfluence(word, change) for word, change in zip(found.words, found.changes.tolist())]
    return Explanation(text, opened.labels[found.best], found.probability, words, found.grouped)
