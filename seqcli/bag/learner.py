"""Embeddings of features, summed over a row and divided by the root of their number, and a softmax regression on that.

    logits = sums of embeddings [B, D] / sqrt(features of the row) @ head [D, C] + bias [C]

fastText (Joulin et al. 2017) learns embeddings of 16 to 100 numbers and a head. Up to 16 labels the head is given here and
not learnt: a feature has one number a label, and for two labels just one, how far it tells them apart. What remains is
convex, and its table so small that a pass over 16 million features takes half a second. More labels share embeddings.

Learnt by stochastic gradients in which every feature has a step of its own, 1 / sqrt(how often it occurs + 1). Adagrad
(Duchi et al. 2011) comes to about the same as it goes; counted beforehand, a feature's embedding and its step lie side by
side, and one gather fetches both. The bias is not learnt: it is the log of how frequent the labels are, so that a row
of which nothing is known has just that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqcli.interfaces import SILENT, Reporter
from seqcli.token_batch import TokenBatch

MOST_GIVEN = 16  # labels with numbers of their own in every embedding
_AT_ONCE = 1 << 17  # features to gather at a time when asked: they stay in the cache
_HEAD = 0.03  # the head's step in terms of the embeddings'
_UNSEEN = 1e-3  # rows, as if every label had been seen in so many more


@dataclass(frozen=True)
class Bag:
    """embeddings: float32 [buckets, D]; head: float32 [D, C]; bias: float32 [C]."""

    embeddings: np.ndarray
    head: np.ndarray
    bias: np.ndarray

    def logits(self, batch: TokenBatch) -> np.ndarray:
        """float32 [B, C]: a row's are the same whatever rows are beside it, up to the order of sums of C or D numbers."""
        means = np.empty((len(batch.lengths), len(self.head)), np.float32)
        for rows, tokens in _pieces(batch):
            means[rows] = means_of(self.embeddings.take(tokens, axis=0, mode="clip"), batch.lengths[rows])
        return means @ self.head + self.bias


@dataclass(frozen=True)
class Plan:
    """How to learn. rate: of the first step, from where it falls to 0 in a straight line; rows: of a step."""

    epochs: int
    rate: float
    rows: int
    seed: int


def given_head(labels: int) -> np.ndarray | None:
    """float32 [D, C], its rows of length 1 and at right angles; None for labels too many to have numbers of their own.

    With two labels it is their difference alone: the steps are those of two numbers, of which one is minus the other.
    """
    if labels == 2:
        return np.array([[-0.5, 0.5]], np.float32) * np.float32(2**0.5)
    return np.eye(labels, dtype=np.float32) if labels <= MOST_GIVEN else None


def learn(
    batch: TokenBatch, targets: np.ndarray, *, labels: int, buckets: int, width: int, plan: Plan,
    weights: np.ndarray | None = None, reporter: Reporter = SILENT,
) -> Bag:  # fmt: skip
    """A bag that tells `targets` (int [B], 0 to labels - 1) from the rows of `batch` (ids below `buckets`).

    width: of embeddings, where labels are too many for numbers of their own; weights: float [C], of each label's rows.
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
    """What changes from step to step: `table`, float32 [buckets, D + 1], embeddings with their steps beside, and the head."""

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
        """Moves against the gradient of the rows' summed loss, a feature by rate / sqrt(its count + 1) of it."""
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
        """What the rows hold, one row after another: int64 [P]."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        index = np.repeat(self.starts[rows] - (ends - lengths), lengths)
        index += np.arange(len(index))
        return self.tokens.take(index, mode="clip").astype(np.int64)

    def bag(self) -> Bag:
        return Bag(np.ascontiguousarray(self.table[:, :-1]), self.head, self.bias)


def _random_head(width: int, labels: int, seed: int) -> np.ndarray:
    """Embeddings begin at 0, so directions must differ here: float32 [D, C], columns of about length 1."""
    return np.random.default_rng([seed, 0]).normal(0, width**-0.5, (width, labels)).astype(np.float32)


def means_of(found: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The sum of each row's embeddings (float32 [P, D], packed), divided by sqrt(length): [B, D], 0 for a row of none."""
    means = np.zeros((len(lengths), found.shape[1]), np.float32)
    some = lengths > 0
    if some.any():
        starts = (np.cumsum(lengths) - lengths)[some]
        for d in range(found.shape[1]):
            means[some, d] = np.add.reduceat(found[:, d], starts)
    means /= root(lengths)
    return means


def root(lengths: np.ndarray) -> np.ndarray:
    """What a sum over so many features is divided by: float32 [B, 1]."""
    return np.sqrt(np.maximum(lengths, 1), dtype=np.float32)[:, None]


def softmax(logits: np.ndarray) -> np.ndarray:
    """[B, C] -> probabilities of each row."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _pieces(batch: TokenBatch) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of about `_AT_ONCE` features together, one at least, and their features."""
    ends, row = np.cumsum(batch.lengths), 0
    while row < len(ends):
        begin = int(ends[row] - batch.lengths[row])
        stop = max(row + 1, int(np.searchsorted(ends, begin + _AT_ONCE, side="right")))
        yield slice(row, stop), batch.tokens[begin : ends[stop - 1]]
        row = stop
