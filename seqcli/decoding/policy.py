"""Sampling settings: how the next-token distribution of a model is modified before a token is drawn.

The steps are applied in this order, each to the result of the one before (the order of Hugging Face's transformers):

1. repetition penalty (Keskar et al. 2019, section 4.1): positive logits of tokens that already occur are divided by it,
   negative ones multiplied. The logits of an n-gram model are log-probabilities: p^penalty.
2. temperature: logits are divided by it; 0 keeps only the most likely token.
3. top-k: only the k most likely tokens are kept.
4. top-p (Holtzman et al. 2020, equation 2): only the smallest set of most likely tokens whose probabilities sum to p is kept.
5. min-p (Nguyen et al. 2024): only tokens at least min-p times as probable as the most likely one are kept.

Ties are broken by the smaller id, so that exactly k tokens are kept. The kept probabilities are renormalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.ranges import REPETITION_PENALTY, SHARE, TEMPERATURE, TOP_K, check, ranged

_BLOCK = 128  # size of the blocks that are compared by their maximum
_ROWS = 16  # rows per pass, so that they fit a core's cache


@dataclass(frozen=True)
class Policy:
    """The defaults leave the distribution unchanged. Raises UsageError for a number outside its range."""

    temperature: float = ranged(TEMPERATURE, 1.0)
    top_k: int | None = ranged(TOP_K, None)
    top_p: float = ranged(SHARE, 1.0)
    min_p: float = ranged(SHARE, 0.0)
    repetition_penalty: float = ranged(REPETITION_PENALTY, 1.0)

    def __post_init__(self):
        check(self)

    @property
    def random(self) -> bool:
        """Whether sampling needs random numbers: not if only one token can be chosen. (Min-p keeps all of several
        equally likely tokens, even at 1.)"""
        return self.temperature > 0 and self.top_k != 1 and self.top_p > 0

    def log_probs(self, logits: np.ndarray, *, history: np.ndarray | None = None) -> np.ndarray:
        """The distribution to sample from: natural logarithms, float64 [B, V], -inf for excluded tokens. logits: [B,
        V], at least one per row finite. history: int [B, T], the tokens of each row so far, padded with `<s>`."""
        x = logits
        if self.repetition_penalty != 1 and history is not None:
            x = logits.astype(np.float64)
            there = np.take_along_axis(x, history, axis=1)
            penalised = np.where(there > 0, there / self.repetition_penalty, there * self.repetition_penalty)
            np.put_along_axis(x, history, penalised, axis=1)
        if self.temperature == 0:
            likeliest = np.full(x.shape, -np.inf)
            likeliest[np.arange(len(x)), x.argmax(axis=1)] = 0
            return likeliest
        x = x - x.max(axis=1, keepdims=True).astype(np.float64)
        with np.errstate(over="ignore"):  # to -inf
            x /= self.temperature
        if self.top_k is not None:
            x = _only(x, top_mask(x, self.top_k))
        x = log_softmax(x)
        if self.top_p < 1:
            x = _only(x, _nucleus(np.exp(x), self.top_p))
        if self.min_p > 0:
            x = _only(x, x >= x.max(axis=1, keepdims=True) + np.log(self.min_p))
        return x


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


def repeats(ids: np.ndarray, *, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The tokens that would repeat an n-gram of their row (Paulus et al. 2018, section 2.5): row and token, int64 [m] each.

    ids: int [B, T]; n: size of the n-grams, 0 for none.
    """
    if not n or ids.shape[1] < n:
        return None
    grams = np.lib.stride_tricks.sliding_window_view(ids, n, axis=1)  # [B, T - n + 1, n]
    last = ids[:, None, ids.shape[1] - n + 1 :]  # the n - 1 tokens that end a row
    rows, places = np.nonzero((grams[:, :, :-1] == last).all(axis=2))
    return rows, grams[rows, places, -1].astype(np.int64)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities of logits, which are defined up to a constant per row: float64 [B, V]."""
    x = logits.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=1, keepdims=True))
    return x


def log_normaliser(logits: np.ndarray) -> np.ndarray:
    """log of the sum of exp(logits) of each row, float64 [B]; computed in float32 to 1e-6, at a fifth of the cost of
    `log_softmax`."""
    sums = np.empty(len(logits))
    for rows in range(0, len(logits), _ROWS):
        part = logits[rows : rows + _ROWS]
        largest = part.max(axis=1, keepdims=True)
        p = part - largest
        sums[rows : rows + _ROWS] = largest[:, 0] + np.log(np.exp(p, out=p).sum(axis=1), dtype=np.float64)
    return sums


def top_mask(values: np.ndarray, k: int) -> np.ndarray:
    """The k largest entries of each row, ties broken by position: bool [B, V]."""
    if k >= values.shape[1]:
        return np.ones(values.shape, bool)
    edge = np.partition(values, -k, axis=1)[:, -k, None]
    above, level = values > edge, values == edge
    return above | (level & (level.cumsum(axis=1) <= k - above.sum(axis=1, keepdims=True)))


def top(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest entries of each row, largest first, ties broken by position: int64 [B, min(k, V)].

    The k largest entries lie in the k blocks with the largest maxima, so only those are searched.
    """
    rows, size = values.shape
    blocks = size // _BLOCK
    if blocks <= k:
        return _sorted_top(values, k)
    rest = np.arange(blocks * _BLOCK, size)
    largest = values[:, : blocks * _BLOCK].reshape(rows, blocks, _BLOCK).max(axis=2)
    kept = np.nonzero(top_mask(largest, k))[1].reshape(rows, k, 1) * _BLOCK + np.arange(_BLOCK)
    places = np.concatenate([kept.reshape(rows, -1), np.tile(rest, (rows, 1))], axis=1)
    best = _sorted_top(np.take_along_axis(values, places, axis=1), k)
    return np.take_along_axis(places, best, axis=1)


def _sorted_top(values: np.ndarray, k: int) -> np.ndarray:
    """`top` without blocks."""
    kept = np.nonzero(top_mask(values, k))[1].reshape(len(values), -1)
    order = np.argsort(-np.take_along_axis(values, kept, axis=1), axis=1, kind="stable")
    return np.take_along_axis(kept, order, axis=1)


def _nucleus(p: np.ndarray, mass: float) -> np.ndarray:
    """The fewest most likely tokens whose probabilities sum to `mass`, at least one: bool [B, V]."""
    order = np.argsort(-p, axis=1, kind="stable")
    before = np.take_along_axis(p, order, axis=1).cumsum(axis=1)
    before = np.concatenate([np.zeros((len(p), 1)), before[:, :-1]], axis=1)  # the sum of the preceding probabilities
    inside = before < mass
    inside[:, 0] = True
    kept = np.empty(p.shape, bool)
    np.put_along_axis(kept, order, inside, axis=1)
    return kept


def _only(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return log_softmax(np.where(kept, x, -np.inf))
