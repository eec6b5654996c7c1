"""Co-occurrence counts of words: for each pair the sum of 1 / distance over its occurrences (Pennington et al. 2014).

In "a b a c" with a window of 2, a and b are neighbours twice (1 + 1), a and a at distance 2 (1/2), a and c at 1 (1),
b and c at 2 (1/2). A pair is counted once, with the smaller id first; contexts do not cross rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqcli.text import BOS_ID, SPECIALS

_TOKENS = 1 << 20  # tokens of the text whose pairs are sorted together


class Cooccurrence(NamedTuple):
    """first, second: int32 [P], first <= second; weight: float32 [P], above 0."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray


def count(stream: np.ndarray, *, size: int, window: int) -> Cooccurrence:
    """The co-occurrences in a stream (int32 [T], `<s>` before each row). Words are numbered from 0, without the special tokens, `size` in
    total."""
    keys, weights = np.zeros(0, np.int64), np.zeros(0)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for begin in range(0, len(stream), _TOKENS):
        waiting.append(_of_part(stream[max(begin - window, 0) : begin + _TOKENS], min(begin, window), size, window))
        if sum(len(part) for part, _ in waiting) > max(len(keys), 1 << 22):
            keys, weights = _summed([(keys, weights), *waiting])
            waiting = []
    keys, weights = _summed([(keys, weights), *waiting])
    return Cooccurrence((keys // size).astype(np.int32), (keys % size).astype(np.int32), weights.astype(np.float32))


def _of_part(part: np.ndarray, before: int, size: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs whose second word is after the first `before` tokens."""
    row, word = np.cumsum(part == BOS_ID), part.astype(np.int64) - len(SPECIALS)
    keys, weights = [np.zeros(0, np.int64)], [np.zeros(0)]
    for distance in range(1, min(window, len(part) - 1) + 1):
        one, other = word[:-distance], word[distance:]
        near = (row[:-distance] == row[distance:]) & (one >= 0) & (other >= 0)
        near[: max(before - distance, 0)] = False
        one, other = one[near], other[near]
        keys.append(np.minimum(one, other) * size + np.maximum(one, other))
        weights.append(np.full(len(one), 1 / distance))
    return _summed(list(zip(keys, weights)))


def _summed(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    keys, weights = (np.concatenate(arrays) for arrays in zip(*parts))
    order = np.argsort(keys, kind="stable")
    keys, weights = keys[order], weights[order]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[begins], np.add.reduceat(weights, begins) if len(begins) else weights
