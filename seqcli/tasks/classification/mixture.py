"""A mixture of classifiers: p(label | text) is a weighted mean. Their inputs may be encoded differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.errors import ModelError
from seqcli.interfaces import Reporter
from seqcli.tasks.classification.data import Texts
from seqcli.tasks.classification.load import OpenClassifier
from seqcli.tasks.language.mixture import likeliest_weights

_LEAST = 1e-12  # lower bound of probabilities, so that logarithms are finite


@dataclass(frozen=True)
class Mixture:
    """A `Classifier` with lines as batches. order: int [C] of each classifier, the indices of the labels among its own."""

    models: list[OpenClassifier]
    weights: list[float]
    orders: list[list[int]]

    @property
    def precision(self) -> str:
        return "+".join(dict.fromkeys(opened.model.precision for opened in self.models))

    def classify(self, lines: bytes) -> np.ndarray:
        shares = sum(
            w * m.probabilities(lines)[:, order] for m, w, order in zip(self.models, self.weights, self.orders)
        )
        return np.log(np.maximum(shares, _LEAST)).astype(np.float32)


def mixed(models: Sequence[OpenClassifier], weights: Sequence[float]) -> OpenClassifier:
    """The mixture of several classifiers. Raises ModelError if their labels differ."""
    _check_labels(models)
    labels = models[0].labels
    orders = [[model.labels.index(label) for label in labels] for model in models]
    name = "+".join(model.name for model in models)
    features = "+".join(model.features for model in models)
    hub = "+".join(filter(None, (model.hub for model in models)))
    mixture = Mixture(list(models), list(weights), orders)
    return OpenClassifier(name, "mix", labels, lambda lines: lines, mixture, features=features, hub=hub)


def _check_labels(models: Sequence[OpenClassifier]) -> None:
    for other in models[1:]:
        if {*other.labels} != {*models[0].labels}:
            cure = "mix classifiers of the same labels"
            raise ModelError(f"{other.name} has different labels from {models[0].name}", where="--mix", cure=cure)


def fitted_weights(models: Sequence[OpenClassifier], texts: Texts, *, where: str, reporter: Reporter) -> list[float]:
    """The weights that maximise the likelihood of the labels of `texts`. where: the file of the texts. Raises ModelError if the
    models' labels differ, InputError if the texts have none of them."""
    _check_labels(models)
    texts = texts.of_known_labels(models[0].labels, to="the models", where=where, reporter=reporter)
    lines = list(texts.blocks())
    log_prob = []
    for model in models:
        own = texts.with_labels(model.labels)
        shares = np.concatenate([model.probabilities(block) for block in lines])
        log_prob.append(np.log(np.maximum(shares[np.arange(len(own)), own.targets], _LEAST)))
    weights, total = likeliest_weights(np.array(log_prob))
    shown = " + ".join(f"{weight:.4f} {model.name}" for weight, model in zip(weights, models))
    reporter.note(f"mix: {shown}, fitted to {where} (loss {-total / len(texts):.4f} nats)")
    return weights
