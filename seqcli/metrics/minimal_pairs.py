"""Minimal pairs: does a model prefer the good sentence to the bad one?

Warstadt et al. (2020), "BLiMP: The benchmark of linguistic minimal pairs". A tie counts as wrong. Accuracy comes with
Wilson's 95 % interval; two models on the same pairs with McNemar's exact test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_TIE = 1e-6  # nats; sums of the same numbers in another order differ by less
_ROUNDING = 2.0**-22  # and by this share of them, as a token's number is a float32 that is itself a sum


def margin(log_prob):
    """Nats by which another log-probability may differ and be equal up to rounding: of a number or an array, 0 for -inf."""
    return np.where(np.isfinite(log_prob), _TIE + _ROUNDING * np.abs(log_prob), 0)


def tied(a, b):
    """Whether log-probabilities (numbers or arrays) are equal to b up to rounding; -inf ties with -inf."""
    return (a <= b + margin(b)) & (b <= a + margin(b))


@dataclass(slots=True)
class Tally:
    """Pairs of one tag under one model."""

    pairs: int = 0
    correct: int = 0
    ties: int = 0

    def add(self, good: float, bad: float) -> bool:
        """Counts a pair by its log-probabilities; returns whether it is correct."""
        self.pairs += 1
        tie = bool(tied(good, bad))
        self.ties += tie
        self.correct += (correct := not tie and good > bad)
        return correct

    @property
    def accuracy(self) -> float:
        return self.correct / self.pairs if self.pairs else math.nan

    def interval(self) -> tuple[float, float]:
        return wilson(self.correct, self.pairs)


def wilson(successes: int, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Wilson (1927): the 95 % score interval of a proportion. 9 of 10 gives (0.596, 0.982)."""
    if not trials:
        return math.nan, math.nan
    p, n = successes / trials, trials
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
    return min(max(0.0, low), p), max(min(1.0, high), p)  # at 0 and 1 rounding would leave the proportion out


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that two models differ, from the pairs that just one of them gets right."""
    n, k = only_first + only_second, min(only_first, only_second)
    if not n:
        return 1.0
    log_half = n * math.log(0.5)
    tail = sum(
        math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + log_half) for i in range(k + 1)
    )
    return min(1.0, 2 * tail)
