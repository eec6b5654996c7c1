"""n-gram classifier: one language model per label, and Bayes' rule (numpy; no torch).

    log p(label | text) = log p(label) + log p(text | label) + constant

Counted, not trained. With order 1 it is naive Bayes with Kneser-Ney smoothing. Sums over many dependent tokens give
overconfident probabilities, which the temperature of the opened classifier corrects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from seqcli import finite
from seqcli.errors import ModelError
from seqcli.interfaces import Reporter
from seqcli.models import ngram
from seqcli.models.ngram import Counted, NgramModel
from seqcli.ngram.arena import Arena
from seqcli.ranges import within
from seqcli.token_batch import TokenBatch, owners

TASK = "classification"
_LABELS = 10_000  # maximum number of labels, which have a table each
# log p of a token that a label's model does not have, so that a text impossible for all labels still gets one
_LEAST = -99 * np.log(10)


@dataclass(frozen=True)
class Config(ngram.Config):
    order: int = within(1, ngram.LARGEST_ORDER, default=3, help="length of the longest n-gram")


class NgramClassifier:
    """models: one per label; log_prior: float64 [C]."""

    def __init__(self, models: list[NgramModel], log_prior: np.ndarray):
        self.models, self.log_prior = models, log_prior
        self.precision = models[0].precision

    def classify(self, batch: TokenBatch) -> np.ndarray:
        logits = np.empty((len(batch.lengths), len(self.models)))
        row = owners(batch.lengths)
        for label, model in enumerate(self.models):
            log_prob = np.maximum(model.score(batch).log_prob, _LEAST)
            logits[:, label] = np.bincount(row, log_prob, minlength=len(logits)) + self.log_prior[label]
        finite.check_logits(logits)
        # subtracted, since sums over a long text differ in digits that float32 does not have
        best = logits.max(axis=1, keepdims=True)
        return (logits - best).astype(np.float32)


def estimate(
    batch: TokenBatch, targets: np.ndarray, config: Config, *, vocab_size: int, labels: int,
    weights: np.ndarray | None = None, arena: Callable[[int], Arena], reporter: Reporter,
) -> Counted:  # fmt: skip
    """Counts the rows of each label. targets: int32 [B]; weights: float [C], factor of each label in the prior (None: 1).

    arena: creates an arena for a given number of tokens.
    """
    tensors: dict[str, np.ndarray] = {}
    grams, fallback = [], []
    for label in range(labels):
        stream, _ = batch.only(targets == label).with_starts()
        quiet = _OnlyProgress(reporter)
        made = ngram.estimate(stream, config, vocab_size=vocab_size, arena=arena(len(stream)), reporter=quiet)
        tensors |= {f"{label}/{name}": array for name, array in made.tensors.items()}
        grams.append(made.record["ngrams"])
        fallback.append(bool(made.record["fallback_discounts"]))
    if any(fallback):
        reporter.note(
            f"text too small to estimate some Kneser-Ney discounts of {sum(fallback)} labels; using 0.5, 1, 1.5"
        )
    counts = np.bincount(targets, minlength=labels) * (1.0 if weights is None else weights)
    with np.errstate(divide="ignore"):  # a weight of 0 rules the label out
        tensors["log_prior"] = np.log(counts / counts.sum())
    return Counted(tensors, {"ngrams": [sum(of_order) for of_order in zip(*grams)]})


def load(config: Mapping, tensors: Mapping[str, np.ndarray], *, vocab_size: int, labels: int) -> NgramClassifier:
    prior = tensors.get("log_prior")
    if not 2 <= labels <= _LABELS or prior is None or prior.shape != (labels,):
        raise ModelError("log_prior does not match the labels", cure="restore the model or train again")
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in tensors.items():
        label, sign, rest = name.partition("/")
        if sign:
            parts.setdefault(label, {})[rest] = array
    try:
        models = [ngram.load(config, parts[str(label)], vocab_size=vocab_size) for label in range(labels)]
    except KeyError as error:
        raise ModelError(f"missing table of label {error}", cure="restore the model or train again") from None
    return NgramClassifier(models, np.array(prior, np.float64))


class _OnlyProgress:
    """Passes on progress, but not notes, which would be the same for each label."""

    def __init__(self, reporter: Reporter):
        self.progress = reporter.progress

    def note(self, line: str) -> None:
        pass

    def clear(self) -> None:
        pass
