"""From hidden vectors to labels, a class for each of fastText's losses (fastText's source, `loss.cc`).

`logits` are natural log-probabilities up to a constant per row, of a text with exactly one label. `probabilities` converts
them to what fastText's `predict` reports, which differs slightly: fastText adds 1e-5 to every probability before it takes
the logarithm (1.00001 is printed as 1), and with one-versus-all, each label has a probability of its own, read from a table
in steps of 1/32; these do not sum to 1. `reported` computes the same directly from hidden vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

_ADDED = 1e-5
_STEPS, _WIDEST = 512, 8  # range and resolution of the table: from -8 to 8; beyond, the probability is 0 or 1
_TIE = 1e-6  # subtracted from probabilities that tie with the best
_LEAST = 1e-300  # what is divided by
_AT_ONCE = 1 << 16  # number of matrix entries to compute at a time
_MOST_TOKENS = 10**15  # the count of a node that does not exist yet, in fastText


class Loss(Protocol):
    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Logits, float32 [B, D] -> float32 [B, C]."""

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The probabilities that fastText reports, float64 [B, C]. logits: float64 [B, C]."""

    def reported(self, hidden: np.ndarray) -> np.ndarray:
        """The exact probabilities of these logits: float64 [B, C]."""


class _Scores:
    """Losses whose logits are inner products. output: float32 [C, D]."""

    def __init__(self, output: np.ndarray):
        self.output = output

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        return hidden @ self.output.T

    def reported(self, hidden: np.ndarray) -> np.ndarray:
        return self.probabilities(self.logits(hidden).astype(np.float64))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Softmax(_Scores):
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return np.minimum(shares + _ADDED, 1)


class OneVersusAll(_Scores):
    """One-versus-all; also negative sampling, which differs in training only.

    If exactly one label is right and labels are independent, p(label) is proportional to the odds of its own probability,
    exp(score): the scores are logits.
    """

    def __init__(self, output: np.ndarray):
        super().__init__(output)
        self.table = 1 / (1 + np.exp(_WIDEST - np.arange(_STEPS + 1) * (2 * _WIDEST / _STEPS)))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        place = (logits.clip(-_WIDEST, _WIDEST) + _WIDEST) * (_STEPS / _WIDEST / 2)
        shares = self.table[place.astype(np.int64)]
        shares[logits < -_WIDEST] = 0
        shares[logits > _WIDEST] = 1
        shares = np.minimum(shares + _ADDED, 1)
        # Among labels with the same table entry, fastText returns the last.
        best = shares.max(axis=1, keepdims=True, initial=0)
        last = shares.shape[1] - 1 - shares[:, ::-1].argmax(axis=1)
        tied = shares == best
        tied[np.arange(len(tied)), last] = False
        shares[tied] -= _TIE
        return shares


class HierarchicalSoftmax:
    """A binary decision at each inner node of a Huffman tree of the labels. output: float32 [C, D], with a row for each of the
    C - 1 inner nodes first; counts: of the labels in the training texts.

    Here, nodes are numbered from the root down, level by level: the left children of a level's inner nodes, then the right
    children.
    """

    def __init__(self, output: np.ndarray, counts: Sequence[int]):
        self.levels, inner, self.leaves = _levels(*huffman(counts))
        self.output = output[inner]

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        return _by_rows(self._logits, hidden, width=len(self.leaves), dtype=np.float32)

    def _logits(self, hidden: np.ndarray) -> np.ndarray:
        scores = self.output @ hidden.T  # [C - 1, B], of the right branch
        right = np.minimum(scores, 0) - np.log(1 + np.exp(-np.abs(scores)))  # log p of the node
        left = right - scores
        total = np.zeros((2 * len(self.leaves) - 1, len(hidden)), np.float32)
        for level in self.levels:
            above = total[level.nodes]
            np.add(above, left[level.inner], out=total[level.left])
            np.add(above, right[level.inner], out=total[level.right])
        return total[self.leaves].T

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return _by_rows(self._probabilities, logits, width=len(self.leaves), dtype=np.float64)

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Recovers the probability of each branch from those of the labels below it."""
        mass = np.empty((2 * len(self.leaves) - 1, len(logits)))
        mass[self.leaves] = np.exp(logits.T)
        for level in reversed(self.levels):
            mass[level.nodes] = mass[level.left] + mass[level.right]
        total = np.ones_like(mass)
        for level in self.levels:
            above = total[level.nodes]
            share = above / np.maximum(mass[level.nodes], _LEAST)
            above *= _ADDED
            for side in (level.left, level.right):
                np.multiply(mass[side], share, out=total[side])
                total[side] += above
        return np.minimum(total[self.leaves].T, 1)

    def reported(self, hidden: np.ndarray) -> np.ndarray:
        return _by_rows(self._reported, hidden, width=len(self.leaves), dtype=np.float64)

    def _reported(self, hidden: np.ndarray) -> np.ndarray:
        right = self.output @ hidden.T
        with np.errstate(over="ignore"):
            right = 1 / (1 + np.exp(-right))
        left = 1 - right
        right += np.float32(_ADDED)
        left += np.float32(_ADDED)
        total = np.ones((2 * len(self.leaves) - 1, len(hidden)), np.float32)
        for level in self.levels:
            above = total[level.nodes]
            np.multiply(above, left[level.inner], out=total[level.left])
            np.multiply(above, right[level.inner], out=total[level.right])
        return np.minimum(total[self.leaves].T, 1)


def _by_rows(make: Callable[[np.ndarray], np.ndarray], given: np.ndarray, *, width: int, dtype: type) -> np.ndarray:
    """Applies `make` to a few rows at a time, so that intermediate results stay in the cache: [B, width]."""
    made: np.ndarray = np.empty((len(given), width), dtype)
    step = max(1, _AT_ONCE // width)
    for first in range(0, len(given), step):
        made[first : first + step] = make(given[first : first + step])
    return made


def huffman(counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """fastText's Huffman tree: the left and the right child of each inner node, int64 [C - 1] each. Leaves are 0 to C - 1,
    then inner nodes, each after its children; the last is the root.

    counts: of the leaves, in decreasing order. Raises ValueError for invalid counts.
    """
    if not counts or min(counts) < 0 or sum(counts) >= _MOST_TOKENS:
        raise ValueError("counts of labels that are no counts")
    weights = [*map(int, counts), *[_MOST_TOKENS] * (len(counts) - 1)]
    children = np.empty((len(counts) - 1, 2), np.int64)
    leaf, node = len(counts) - 1, len(counts)
    for inner in range(len(counts), len(weights)):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[inner - len(counts), side] = leaf
                leaf -= 1
            else:
                children[inner - len(counts), side] = node
                node += 1
        weights[inner] = sum(weights[child] for child in children[inner - len(counts)].tolist())
    return children[:, 0], children[:, 1]


@dataclass(frozen=True)
class _Level:
    """The inner nodes of one depth. nodes: their numbers; inner: their indices among inner nodes; left, right: the numbers of
    their children."""

    nodes: np.ndarray
    inner: slice
    left: slice
    right: slice


def _levels(left: np.ndarray, right: np.ndarray) -> tuple[list[_Level], np.ndarray, np.ndarray]:
    """The tree from the root down, the index of each of its inner nodes in fastText's numbering, int64 [C - 1], and the number
    of each leaf, int64 [C]."""
    labels, done = len(left) + 1, 0
    levels: list[_Level] = []
    inner: list[np.ndarray] = [np.zeros(0, np.int64)]
    level = np.array([2 * labels - 2])  # in fastText's numbering
    number = np.zeros(2 * labels - 1, np.int64)
    while len(level):
        number[level] = np.arange(done, done + len(level))
        done += len(level)
        nodes = level[level >= labels] - labels
        count, before = len(nodes), sum(len(level.nodes) for level in levels)
        if count:
            children = slice(done, done + count), slice(done + count, done + 2 * count)
            levels.append(_Level(number[nodes + labels], slice(before, before + count), *children))
            inner.append(nodes)
        level = np.concatenate([left[nodes], right[nodes]])
    return levels, np.concatenate(inner), number[:labels]
