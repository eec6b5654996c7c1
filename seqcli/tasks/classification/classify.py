"""What a classifier says of texts: their labels, and what each word adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqcli.results import Classification, Explanation, LabelProbability, WordInfluence
from seqcli.scoring.influence import influences
from seqcli.tasks.classification.load import OpenClassifier

UNSURE = "?"


def decided(label: str, probability: float, *, threshold: float) -> str:
    """The label, or UNSURE where it is less probable than the threshold."""
    return UNSURE if probability < threshold else label


@dataclass(frozen=True, eq=False)
class Classified:
    """Answers to N texts. labels: as they are shown; probabilities: float64 [N, C], of every label; threshold: of `decided`."""

    labels: Sequence[str]
    probabilities: np.ndarray
    threshold: float = 0.0

    @cached_property
    def best(self) -> np.ndarray:
        """The most probable label: int64 [N]."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def probability(self) -> np.ndarray:
        """Of the most probable label: float64 [N]."""
        return self.probabilities[np.arange(len(self.best)), self.best]

    @property
    def label(self) -> list[str]:
        names = [self.labels[k] for k in self.best.tolist()]
        if not self.threshold:
            return names
        return [decided(name, p, threshold=self.threshold) for name, p in zip(names, self.probability.tolist())]

    def likeliest(self, top_k: int | None = None) -> np.ndarray:
        """The most probable labels first, of equal ones the first: int64 [N, top_k], or [N, C]."""
        return (-self.probabilities).argsort(axis=1, kind="stable")[:, :top_k]

    def results(self, texts: Sequence[str], *, top_k: int | None = None) -> Iterator[Classification]:
        """One for each text."""
        order = self.likeliest(top_k)
        shares = np.take_along_axis(self.probabilities, order, axis=1).tolist()
        for text, label, ks, probabilities in zip(texts, self.label, order.tolist(), shares, strict=True):
            labels = [LabelProbability(self.labels[k], p) for k, p in zip(ks, probabilities)]
            yield Classification(label, probabilities[0], text, labels)


def explain(opened: OpenClassifier, text: str) -> Explanation:
    """The label of a text, and the change of its log-odds that each word brings."""
    found = influences(opened.logits, text, temperature=opened.temperature)
    words = [WordInfluence(word, change) for word, change in zip(found.words, found.changes.tolist())]
    return Explanation(text, opened.labels[found.best], found.probability, words)
