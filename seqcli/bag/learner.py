"""Softmax regression on the sum of feature embeddings, divided by the square root of their number.

    logits = sums of embeddings [B, D] / sqrt(features of the row) @ head [D, C] + bias [C]

fastText (Joulin et al. 2017) learns embeddings of 16 to 100 numbers and a head. Here, up to 16 labels the head is fixed: a
feature has one number per label, or a single one for two labels, the difference of the two. The problem is then convex, and
the table so small that a pass over 16 million features takes half a second. With more labels, embeddings are of a given
width and the head is learned.

Training is stochastic gradient descent with a step size for each feature, 1 / sqrt(count + 1). Adagrad (Duchi et al. 2011)
computes about the same during training; with counts known in advance, the embedding and step size of a feature are adjacent
in memory and fetched together. The bias is not learned: it is the log of the label frequencies, which is then the
prediction for a row without known features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqcli.interfaces import SILENT, Reporter
from seqcli.token_batch import TokenBatch

MOST_GIVEN = 16  # maximum number of labels for which embeddings have one number per label
_AT_ONCE = 1 << 17  # number of features to gather at a time for inference, so that they stay in the cache
_HEAD = 0.03  # step size of the head relative to that of the embeddings
_UNSEEN = 1e-3  # pseudo-count of rows for each label


@dataclass(frozen=True)
class Bag:
    """embeddings: float32 [buckets, D]; head: float32 [D, C]; bias: float32 [C]."""

    embeddings: np.ndarray
    head: np.ndarray
    bias: np.ndarray

    def logits(self, batch: TokenBatch) -> np.ndarray:
        """Logits, float32 [B, C]; those of a row do not depend on the other rows, up to the order of sums over C or D numbers."""
        means = np.empty((len(batch.lengths), len(self.head)), np.float32)
        for rows, tokens in _pieces(batch):
            means[rows] = means_of(self.embeddings.take(tokens, axis=0, mode="clip"), batch.lengths[rows])
        return means @ self.head + self.bias


@dataclass(frozen=True)
class Plan:
    """Training settings. rate: initial learning rate, which decreases linearly to 0; rows: number of rows per step."""

    epochs: int
    rate: float
    rows: int
    seed: int


def given_head(labels: int) -> np.ndarray | None:
    """The fixed head, float32 [D, C], with orthogonal rows of length 1; None if there are too many labels for it.

    For two labels it represents their difference; the steps are those of two numbers of which one is the negative of the
    other.
    """
    if labels == 2:
        return np.array([[-0.5, 0.5]], np.float32) * np.float32(2**0.5)
    return np.eye(labels, dtype=np.float32) if labels <= MOST_GIVEN else None


def learn(
    batch: TokenBatch, targets: np.ndarray, *, labels: int, buckets: int, width: int, plan: Plan,
    weights: np.ndarray | None = None, reporter: Reporter = SILENT,
) -> Bag:  # fmt: skip
    """Learns to predict `targets` (int [B], 0 to labels - 1) from the rows of `batch` (ids below `buckets`).

    width: of embeddings, if there are too many labels for one number each; weights: float [C], of the rows of each label.
    """
    weights = np.ones(labels) if weights is None else np.asarray(weights)
    learner = _Learner(batch, targets, labels=labels, buckets=buckets, width=width, weights=weights, seed=plan.seed)
    steps, done = plan.epochs * -(-len(targets) // plan.rows), 0
    for epoch in range(plan.epochs):
        order = np.random.default_rng([plan.seed, 1 + epoch]).permutation(len(targets))
        for begin in range(0, len(order), plan.rows):
            learner.step(order[begin : begin + plan.rows], rate=plan.rate * (1 - done / steps))
            done += 1
        reporter.progress("learning", epoch + 1, plan.epochs)
    return learner.bag()


class _Learner:
    """The training state: `table`, float32 [buckets, D + 1], embeddings and step sizes, and the head."""

    def __init__(
        self,
        batch: TokenBatch,
        targets: np.ndarray,
        *,
        labels: int,
        buckets: int,
        width: int,
        weights: np.ndarray,
        seed: int,
    ):
        self.tokens, self.starts, self.lengths = batch.tokens, batch.starts, batch.lengths
        self.targets, self.weights = targets, weights.astype(np.float32)
        given = given_head(labels)
        self.learns_head = given is None
        self.head = _random_head(width, labels, seed) if given is None else given
        frequency = np.bincount(targets, minlength=labels) * weights + _UNSEEN
        self.bias = np.log(frequency / frequency.sum()).astype(np.float32)
        counts = np.zeros(buckets, np.int32)
        np.add.at(counts, batch.tokens, np.int32(1))
        self.table = np.zeros((buckets, len(self.head) + 1), np.float32)
        self.table[:, -1] = 1 / np.sqrt(counts + 1)

    def step(self, rows: np.ndarray, *, rate: float) -> None:
        """One step of gradient descent on the summed loss of the rows; each feature moves by rate / sqrt(count + 1) times its
        gradient."""
        lengths, targets = self.lengths[rows], self.targets[rows]
        ids = self._features(rows)
        found = self.table.take(ids, axis=0, mode="clip")  # [P, D + 1]
        means = means_of(found[:, :-1], lengths)
        error = softmax(means @ self.head + self.bias)  # [B, C]
        error[np.arange(len(rows)), targets] -= 1
        error *= self.weights[targets, None]
        change = error @ self.head.T * (-rate / root(lengths))  # [B, D]
        ids *= self.table.shape[1]
        for d in range(change.shape[1]):
            moves = np.repeat(change[:, d], lengths)
            moves *= found[:, -1]
            np.add.at(self.table.reshape(-1), ids, moves)
            ids += 1
        if self.learns_head:
            self.head -= np.float32(_HEAD * rate / len(rows)) * (means.T @ error)

    def _features(self, rows: np.ndarray) -> np.ndarray:
        """The features of the rows, concatenated: int64 [P]."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        index = np.repeat(self.starts[rows] - (ends - lengths), lengths)
        index += np.arange(len(index))
        return self.tokens.take(index, mode="clip").astype(np.int64)

    def bag(self) -> Bag:
        return Bag(np.ascontiguousarray(self.table[:, :-1]), self.head, self.bias)


def _random_head(width: int, labels: int, seed: int) -> np.ndarray:
    """The initial head of a model with a learned one, float32 [D, C], with columns of length about 1. Embeddings are
    initialised with 0, so these must differ."""
    return np.random.default_rng([seed, 0]).normal(0, width**-0.5, (width, labels)).astype(np.float32)


def means_of(found: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The sum of each row's embeddings (float32 [P, D], packed), divided by sqrt(length): [B, D]; 0 for an empty row."""
    means = np.zeros((len(lengths), found.shape[1]), np.float32)
    some = lengths > 0
    if some.any():
        starts = (np.cumsum(lengths) - lengths)[some]
        for d in range(found.shape[1]):
            means[some, d] = np.add.reduceat(found[:, d], starts)
    means /= root(lengths)
    return means


def root(lengths: np.ndarray) -> np.ndarray:
    """The divisor of sums over this number of features: float32 [B, 1]."""
    return np.sqrt(np.maximum(lengths, 1), dtype=np.float32)[:, None]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over rows, [B, C] -> [B, C]."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _pieces(batch: TokenBatch) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of rows with about `_AT_ONCE` features in total, at least one row each, and their features."""
    ends, row = np.cumsum(batch.lengths), 0
    while row < len(ends):
        begin = int(ends[row] - batch.lengths[row])
        stop = max(row + 1, int(np.searchsorted(ends, begin + _AT_ONCE, side="right")))
        yield slice(row, stop), batch.tokens[begin : ends[stop - 1]]
        row = stop
