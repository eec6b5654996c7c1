"""The logits of a decoding step, for search and sampling, in numpy: from logits to the most likely tokens, or to a drawn one.

For a network on a device, `nn/device_logits.py` does the same there, since copying [B, V] logits from a device at every step would be slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from seqcli.interfaces import AutoregressiveModel, Best, Drawn, Logits, OnDevice, Sampling, State

_BLOCK = 128  # size of the blocks that are compared by their maximum
_ROWS = 16  # rows per pass, so that they fit a core's cache

Step = Callable[[np.ndarray, State], tuple[Logits, State]]


class HostLogits:
    """Logits in numpy, for a single call of `best` or `draw`. values: float [B, V], may be overwritten; normalised: whether they are
    log-probabilities already. Those of an n-gram model are: the probabilities of an ARPA file need not sum to 1, and `generate` has to
    report the same values as `score`. may: bool [B, V], tokens that can be drawn, None for all."""

    def __init__(self, values: np.ndarray, *, normalised: bool, may: np.ndarray | None = None):
        self._values, self._normalised, self._may = values, normalised, may

    @property
    def log_prob(self) -> np.ndarray:
        """Natural log p of every token, float64 [B, V]."""
        return self._values.astype(np.float64) if self._normalised else log_softmax(self._values)

    def best(
        self, k: int, *, never: Sequence[int] = (), forbidden: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Best:
        """See `interfaces.Logits.best`."""
        normaliser = np.zeros(len(self._values)) if self._normalised else log_normaliser(self._values)
        _exclude(self._values, never, forbidden)
        tokens = top(self._values, k)
        return Best(tokens, np.take_along_axis(self._values, tokens, axis=1), normaliser)

    def draw(
        self, policy: Sampling, u: np.ndarray, *, history: np.ndarray | None = None, never: Sequence[int] = (),
        forbidden: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Drawn:  # fmt: skip
        """See `interfaces.Logits.draw`."""
        allowed = self._values.copy() if self._may is None else np.where(self._may, self._values, -np.inf)
        _exclude(allowed, never, forbidden)
        drawn = draw(distribution(allowed, policy, history=history), u)
        return Drawn(drawn, np.take_along_axis(self.log_prob, drawn[:, None], axis=1)[:, 0])


def _exclude(values: np.ndarray, never: Sequence[int], forbidden: tuple[np.ndarray, np.ndarray] | None) -> None:
    """Sets the logits of tokens that are not allowed to -inf, in place."""
    values[:, list(never)] = -np.inf
    if forbidden is not None:
        values[forbidden] = -np.inf


def log_probs(model: AutoregressiveModel, logits: np.ndarray) -> np.ndarray:
    """Natural log p of the next token, float64 [B, V], from the logits [B, V] that the model's `extend` returned."""
    return HostLogits(logits, normalised=model.logits_are_log_probs).log_prob


def step_of(model: AutoregressiveModel) -> Step:
    """A function that reads one more token of each row, int [B], after a state; it returns the logits of the next one and the new state."""
    if isinstance(model, OnDevice) and model.on_device:
        on_device = model

        def step(tokens: np.ndarray, state: State) -> tuple[Logits, State]:
            return on_device.step(tokens.reshape(-1, 1).astype(np.int32), np.ones(len(tokens), np.int64), state)

        return step
    normalised = model.logits_are_log_probs

    def extend(tokens: np.ndarray, state: State) -> tuple[Logits, State]:
        lengths = np.ones(len(tokens), np.int64)
        values, state = model.extend(tokens.reshape(-1, 1).astype(np.int32), lengths, state)
        return HostLogits(values, normalised=normalised), state

    return extend


def distribution(logits: np.ndarray, policy: Sampling, *, history: np.ndarray | None = None) -> np.ndarray:
    """The distribution to sample from (the steps of `decoding/sampling.py`): natural logarithms, float64 [B, V], -inf for excluded tokens. logits: [B,
    V], at least one per row finite. history: int [B, T], the tokens of each row so far, padded with `<s>`."""
    x = logits
    if policy.repetition_penalty != 1 and history is not None:
        x = logits.astype(np.float64)
        there = np.take_along_axis(x, history, axis=1)
        penalised = np.where(there > 0, there / policy.repetition_penalty, there * policy.repetition_penalty)
        np.put_along_axis(x, history, penalised, axis=1)
    if policy.temperature == 0:
        likeliest = np.full(x.shape, -np.inf)
        likeliest[np.arange(len(x)), x.argmax(axis=1)] = 0
        return likeliest
    x = x - x.max(axis=1, keepdims=True).astype(np.float64)
    with np.errstate(over="ignore"):  # to -inf
        x /= policy.temperature
    if policy.top_k is not None:
        x = _only(x, top_mask(x, policy.top_k))
    x = log_softmax(x)
    if policy.top_p < 1:
        x = _only(x, _nucleus(np.exp(x), policy.top_p))
    if policy.min_p > 0:
        x = _only(x, x >= x.max(axis=1, keepdims=True) + np.log(policy.min_p))
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
