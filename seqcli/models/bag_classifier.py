"""Bag-of-n-grams classifier, as in fastText (Joulin et al. 2017), with hashed character and word n-grams (numpy; no torch).

It reads text rather than tokens: `encoder` returns the function that converts lines to features, and there is no tokenizer.
The engine is `bag/`; this module provides the interface of a model, with defaults that depend on the amount of text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from seqcli import finite
from seqcli.bag.features import Features
from seqcli.bag.learner import Bag, Plan, given_head, learn
from seqcli.errors import InputError, ModelError
from seqcli.interfaces import Reporter
from seqcli.models.ngram import Counted
from seqcli.ranges import LARGEST_SEED, check, setting, within
from seqcli.token_batch import TokenBatch

TASK = "classification"
_LARGEST_ORDER = 10
_CURE = "restore the model or train again"


@dataclass(frozen=True)
class Config:
    """Settings of the features and of the training."""

    buckets: int = within(1 << 8, 1 << 28, default=1 << 21, help="size of the hash table, a power of two")
    shortest: int = within(0, _LARGEST_ORDER, default=2, help="shortest character n-gram")
    longest: int = within(0, _LARGEST_ORDER, default=4, help="longest character n-gram (0: none)")
    words: int = within(0, _LARGEST_ORDER, default=2, help="longest word n-gram (0: none)")
    lowercase: bool = setting(True, help="ignore case")
    width: int = within(1, 1 << 10, default=32, help="width of the feature embeddings with more than 16 labels")
    epochs: int = within(0, 10_000, default=0, help="passes over the text (0: by the number of texts)")
    learning_rate: float = within(
        0, 1000, default=10.0, open_low=True, help="learning rate of the first step; it falls to 0"
    )
    batch_rows: int = within(0, 1 << 30, default=0, help="texts per step (0: by the number of texts)")
    seed: int = within(0, LARGEST_SEED, default=0, help="seed of the order of the texts")

    def __post_init__(self):
        check(self)
        if self.buckets & (self.buckets - 1):
            raise ValueError(f"buckets must be a power of two from 2^8 to 2^28, got {self.buckets}")
        if self.longest and not 1 <= self.shortest <= self.longest <= _LARGEST_ORDER:
            raise ValueError(
                f"character n-grams must be 1 <= shortest <= longest <= {_LARGEST_ORDER}, got {self.shortest} to {self.longest}"
            )
        if not self.longest and not self.words:
            raise ValueError("longest and words are both 0: no features")


class BagClassifier:
    """A `Classifier` over a `Bag`."""

    precision = "fp32"

    def __init__(self, bag: Bag):
        self.bag = bag

    def classify(self, batch: TokenBatch) -> np.ndarray:
        logits = self.bag.logits(batch)
        finite.check_logits(logits)
        return logits


def encoder(settings: Mapping) -> Callable[[bytes], TokenBatch]:
    """The function that converts lines (UTF-8, each ended by a line feed) to rows of features, with ids below `buckets`."""
    config = _config(settings)
    longest = config.longest
    features = Features(
        bits=config.buckets.bit_length() - 1, shortest=config.shortest if longest else 1, longest=longest,
        words=config.words, lower=config.lowercase,
    )  # fmt: skip
    return features.encode


def features_label(config: Config) -> str:
    """The features, for a signature: `char2-4+word1-2/2^21`."""
    characters = [f"char{config.shortest}-{config.longest}"] if config.longest else []
    words = [f"word1-{config.words}"] if config.words else []
    return (
        "+".join([*characters, *words])
        + f"/2^{config.buckets.bit_length() - 1}"
        + ("/lower" if config.lowercase else "")
    )


def plan_for(config: Config, rows: int) -> Plan:
    """The default schedule: three epochs over 140,000 texts, seven over 60,000, twenty over 5,000; batches of 16 to 256 texts,
    at least 64 batches per epoch."""
    epochs = config.epochs or min(max(math.ceil(400_000 / max(rows, 1)), 2), 20)
    batch = config.batch_rows or min(max(rows // 64, 16), 256)
    return Plan(epochs=epochs, rate=config.learning_rate, rows=batch, seed=config.seed)


def estimate(
    batch: TokenBatch, targets: np.ndarray, config: Config, *,
    labels: int, weights: np.ndarray | None = None, reporter: Reporter,
) -> Counted:  # fmt: skip
    """Trains on rows of features. targets: int [B]; weights: float [C], factor of the loss of each label's rows.

    The same rows in the same order give the same arrays.
    """
    if not len(batch.tokens):
        raise InputError("no text to train on", cure="give at least one line with a word")
    plan = plan_for(config, len(targets))
    bag = learn(
        batch,
        targets,
        labels=labels,
        buckets=config.buckets,
        width=config.width,
        plan=plan,
        weights=weights,
        reporter=reporter,
    )
    used = int(np.count_nonzero(bag.embeddings.any(axis=1)))
    record = {"features": len(batch.tokens), "buckets_used": used, "epochs": plan.epochs, "batch_rows": plan.rows}
    return Counted({"embeddings": bag.embeddings, "head": bag.head, "bias": bag.bias}, record)


def load(settings: Mapping, tensors: Mapping[str, np.ndarray], *, labels: int) -> BagClassifier:
    config = _config(settings)
    given = given_head(labels)
    width = config.width if given is None else len(given)
    shapes = {"embeddings": (config.buckets, width), "head": (width, labels), "bias": (labels,)}
    for name, shape in shapes.items():
        found = tensors.get(name)
        if found is None or found.shape != shape or found.dtype != np.float32:
            raise ModelError(f"{name} does not match the settings", cure=_CURE)
    return BagClassifier(Bag(tensors["embeddings"], tensors["head"], tensors["bias"]))


def _config(settings: Mapping) -> Config:
    names = Config.__dataclass_fields__
    return Config(**{name: settings[name] for name in names if name in settings})
