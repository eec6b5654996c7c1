"""A language model mixed with the shares of tokens among the latest ones (Kuhn and De Mori 1990): a cache for models without
states, such as n-gram models."""

from __future__ import annotations

import numpy as np

from seqcli.adaptation import Cache
from seqcli.interfaces import LanguageModel, Scores
from seqcli.token_batch import TokenBatch


class UnigramCache:
    """Scores rows one after another as the lines of a running text, or, if `apart`, as documents that have nothing to do with each
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
