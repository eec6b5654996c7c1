"""Is one model better, or was it luck? A paired bootstrap over the records that both have scored.

Koehn (2004), "Statistical significance tests for machine translation evaluation". Beyond 2^16 sentences neighbours
are joined, which makes it a block bootstrap and keeps memory bounded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000
_UNITS = 1 << 16


class Interval(NamedTuple):
    mean: float
    low: float
    high: float


class PairedBootstrap:
    """Collects per-record sums of two models and their sizes; `interval` is of the difference of their ratios.

    Each model has sizes of its own: two models may count the same text in different units, and one may have no line ends.
    """

    def __init__(self):
        self._columns = np.zeros((4, 0))  # sum and size of the first model, sum and size of the second
        self._per_unit = 1  # records joined in one
        self._rest = np.zeros((4, 0))

    def add(self, first: np.ndarray, first_size: np.ndarray, second: np.ndarray, second_size: np.ndarray) -> None:
        columns = np.concatenate([self._rest, [first, first_size, second, second_size]], axis=1)
        whole = columns.shape[1] // self._per_unit * self._per_unit
        self._rest = columns[:, whole:]
        self._columns = np.concatenate([self._columns, _joined(columns[:, :whole], self._per_unit)], axis=1)
        while self._columns.shape[1] > _UNITS:
            even = self._columns.shape[1] // 2 * 2
            self._columns = _joined(self._columns[:, :even], 2)
            self._per_unit *= 2

    def interval(self, *, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95) -> Interval:
        """The first ratio of sums minus the second, with its percentile interval: nan where there are fewer than two
        records or an infinite sum."""
        columns = self._columns
        if self._rest.shape[1]:
            columns = np.concatenate([columns, self._rest.sum(axis=1, keepdims=True)], axis=1)
        mean = float(_difference(columns.sum(axis=1)))
        if columns.shape[1] < 2 or not np.isfinite(columns).all():
            return Interval(mean, math.nan, math.nan)
        rng = np.random.default_rng(seed)
        records = columns.shape[1]
        means = np.empty(resamples)
        for i in range(resamples):
            drawn = np.bincount(rng.integers(records, size=records), minlength=records)  # how often each record
            means[i] = _difference(columns @ drawn)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        return Interval(mean, float(low), float(high))


def _difference(sums: np.ndarray) -> float:
    """Of two ratios; a size of nothing counts as 1, infinite sums have no difference."""
    first, first_size, second, second_size = sums.tolist()
    return first / max(first_size, 1) - second / max(second_size, 1)


def _joined(columns: np.ndarray, count: int) -> np.ndarray:
    return columns.reshape(len(columns), -1, count).sum(axis=2)
