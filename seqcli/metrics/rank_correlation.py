"""Spearman's rank correlation, equal values sharing the mean of their ranks, and its interval.

The interval is that of Fisher's z with the standard error of Bonett and Wright (2000), sqrt((1 + r^2 / 2) / (n - 3)).
"""

from __future__ import annotations

import math

import numpy as np

_NORMAL_95 = 1.959963984540054


def spearman(one: np.ndarray, other: np.ndarray) -> float | None:
    """Of two arrays of numbers of one length; None for fewer than two, or where one of them is constant."""
    if len(one) < 2:
        return None
    a, b = ranks(one), ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size else None


def ranks(values: np.ndarray) -> np.ndarray:
    """float64 [n], from 1. 3 1 3 has ranks 2.5 1 2.5."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def interval(r: float, n: int) -> tuple[float, float] | None:
    """95 % interval of a rank correlation of n pairs; None for fewer than four."""
    if n < 4:
        return None
    if abs(r) >= 1:
        return r, r
    z, error = math.atanh(r), math.sqrt((1 + r * r / 2) / (n - 3))
    return math.tanh(z - _NORMAL_95 * error), math.tanh(z + _NORMAL_95 * error)
