"""Scores that adapt to the text so far (`score --cache` and `score --dynamic`): the settings, and the cache of a counted model.

Networks adapt in `nn/adaptive.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seqcli import ranges
from seqcli.interfaces import LanguageModel, Scores
from seqcli.ranges import check, ranged
from seqcli.token_batch import TokenBatch


@dataclass(frozen=True)
class Cache:
    """A cache of the latest tokens, mixed into each prediction: p = (1 - lambda) p_model + lambda p_cache.

    In the continuous cache of Grave, Joulin and Usunier (2017, equations 2 and 3) a network's state h_t is compared with the
    states h_i before each of the tokens x_{i+1}: p_cache(w) is proportional to the sum of exp(theta h_t h_i) over the i whose
    x_{i+1} is w. A counted model has no states; its cache is the share of w among the latest tokens (Kuhn and De Mori 1990).
    """

    weight: float = ranged(ranges.LAMBDA, 0.15)  # lambda, which Python reserves
    theta: float = ranged(ranges.THETA, 0.5)  # how much likeness counts; no effect in a counted model
    window: int = ranged(ranges.CACHE_WINDOW, 2000)  # tokens that the cache holds

    KEY: ClassVar = "cache"

    def __post_init__(self):
        check(self)

    def mixed(self, log_prob: np.ndarray, cached: np.ndarray) -> np.ndarray:
        """Natural log p of tokens, float64 [n], from log p_model and log p_cache; where the cache is empty, which nan says, p is
        the model's. (Equation 3 of the paper.)"""
        with np.errstate(divide="ignore", invalid="ignore"):
            both = np.logaddexp(math.log1p(-self.weight) + log_prob.astype(np.float64), np.log(self.weight) + cached)
        return np.where(np.isnan(cached), log_prob, both)

    def label(self, *, neural: bool) -> str:
        """For the signature: its kind and settings."""
        if not neural:
            return f"unigram,lambda={self.weight:g},window={self.window}"
        return f"continuous,lambda={self.weight:g},theta={self.theta:g},window={self.window}"


@dataclass(frozen=True)
class Dynamic:
    """Dynamic evaluation (Krause et al. 2018): after each segment of text a step of gradient descent on it.

    Of the mean loss of a segment, with a decay towards the trained weights (equation 5); with statistics of the gradients on
    training text the steps are scaled by their root mean square, and the decay by it (equations 6 and 7).
    """

    learning_rate: float = ranged(ranges.LEARNING_RATE, 0.05)
    decay: float = ranged(ranges.DECAY, 0.0005)  # share of the way back to the trained weights, after each segment
    segment: int = ranged(ranges.SEGMENT, 64)  # tokens; the end of a row ends one, too

    KEY: ClassVar = "dynamic"

    def __post_init__(self):
        check(self)

    @classmethod
    def of(cls, *, scaled: bool, **given: Any) -> Dynamic:
        """With the default learning rate of steps that are scaled, or are not."""
        return cls(**{"learning_rate": 0.0003} | given) if scaled else cls(**given)

    def label(self, *, scaled: bool) -> str:
        """For the signature: its kind and settings."""
        kind = "rms" if scaled else "sgd"
        return f"{kind},rate={self.learning_rate:g},decay={self.decay:g},segment={self.segment}"


class UnigramCache:
    """A language model mixed with the shares of tokens among the latest ones (Kuhn and De Mori 1990): a cache for models without states,
    such as n-gram models.

    Scores rows one after another as the lines of a running text, or, if `apart`, as documents that have nothing to do with each
    other."""

    horizon: int | None = None  # a document is scored as one row

    def __init__(self, model: LanguageModel, cache: Cache, *, apart: bool):
        self._model, self._settings, self._apart = model, cache, apart
        self.precision = model.precision
        self.restart()

    @property
    def adaptation(self) -> dict[str, str]:
        """What the signature says of it."""
        return {Cache.KEY: self._settings.label(neural=False)}

    def restart(self) -> None:
        """Forgets the text so far."""
        self._latest = np.zeros(0, np.int32)

    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Natural log p of every token given those before it in its row and those in the cache."""
        assert not rank and (context is None or not len(context)), "a running text is its own context"
        scores = self._model.score(batch)
        cached = np.concatenate([self._log_prob(part) for part in self._parts(batch)] or [np.zeros(0)])
        return Scores(self._settings.mixed(scores.log_prob, cached).astype(np.float32), scores.order)

    def _parts(self, batch: TokenBatch) -> list[np.ndarray]:
        """Stretches of text that have nothing to do with each other."""
        return batch.rows if self._apart else [batch.tokens]

    def _log_prob(self, tokens: np.ndarray) -> np.ndarray:
        """log p_cache of each token [n], nan where the cache is empty, -inf for a token that it does not hold: float64 [n]."""
        if self._apart:
            self.restart()
        text = np.concatenate([self._latest, tokens])
        place = np.arange(len(self._latest), len(text))
        begin = np.maximum(place - self._settings.window, 0)
        # (token, place) as one number, in order: how often a token occurs in a stretch is the difference of two ranks
        occurrences = np.sort(text.astype(np.int64) * len(text) + np.arange(len(text)))
        of_token = tokens.astype(np.int64) * len(text)
        count = np.searchsorted(occurrences, of_token + place) - np.searchsorted(occurrences, of_token + begin)
        self._latest = text[-self._settings.window :]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(count / (place - begin))
