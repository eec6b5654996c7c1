"""Seeded draws: the n-th number of a sample is a function of (seed, line, sample, n), of no batch and no order.

Philox (Salmon et al. 2011) is a generator whose n-th number is a function of a key and a counter: the seed is the key,
line and sample are the upper half of the counter.
"""

from __future__ import annotations

import numpy as np


def numbers(seed: int, *, line: int, sample: int) -> np.random.Generator:
    """The random numbers of one sample, one after another."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, line, sample]))


def draw(log_prob: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A token of each row: the first at which the sum of probabilities exceeds the share `u` of their total.

    log_prob: [B, V]; u: [B], in [0, 1). Returns int64 [B]. Tokens of -inf are never drawn.
    """
    drawn = np.empty(len(log_prob), np.int64)
    for row, (values, at) in enumerate(zip(log_prob, u)):
        may = np.flatnonzero(values > -np.inf)
        sums = np.exp(values[may]).cumsum()
        drawn[row] = may[np.searchsorted(sums, at * sums[-1], side="right")]
    return drawn
