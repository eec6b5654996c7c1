"""Is one model better, or was it luck? A paired bootstrap over the sentences that both have scored.

Koehn (2004), "Statistical significance tests for machine translation evaluation". Beyond 2^16 sentences neighbours
are joined, which makes it a block bootstrap and keeps memory bounded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_UNITS = 1 << 16


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


class PairedBootstrap:
    """Collects per-sentence sums of two models; `interval` is of their difference per unit (byte, token)."""

    def __init__(self):
        self._difference, self._size = np.zeros(0), np.zeros(0)
        self._per_unit = 1  # sentences joined in one
        self._rest = (np.zeros(0), np.zeros(0))

    def add(self, first: np.ndarray, second: np.ndarray, size: np.ndarray) -> None:
        difference = np.concatenate([self._rest[0], first - second])
        size = np.concatenate([self._rest[1], size])
        whole = len(size) // self._per_unit * self._per_unit
        self._rest = difference[whole:], size[whole:]
        self._difference = np.append(self._difference, _joined(difference[:whole], self._per_unit))
        self._size = np.append(self._size, _joined(size[:whole], self._per_unit))
        while len(self._size) > _UNITS:
            even = len(self._size) // 2 * 2
            self._difference, self._size = _joined(self._difference[:even], 2), _joined(self._size[:even], 2)
            self._per_unit *= 2

    def interval(self, *, seed: int = 0, resamples: int = 1000, level: float = 0.95) -> Interval:
        """The difference of the sums over the sum of sizes, with its percentile interval (nan of fewer than two units)."""
        difference, size = self._difference, self._size
        if len(self._rest[1]):
            difference, size = np.append(difference, self._rest[0].sum()), np.append(size, self._rest[1].sum())
        mean = float(difference.sum() / max(size.sum(), 1))
        if len(size) < 2:
            return Interval(mean, math.nan, math.nan)
        rng = np.random.default_rng(seed)
        means = np.empty(resamples)
        for i in range(resamples):
            chosen = rng.integers(len(size), size=len(size))
            means[i] = difference[chosen].sum() / max(size[chosen].sum(), 1)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return Interval(mean, float(low), float(high))


def _joined(values: np.ndarray, count: int) -> np.ndarray:
    return values.reshape(-1, count).sum(axis=1)
