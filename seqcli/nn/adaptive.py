"""A neural language model that adapts to the text that it scores, piece by piece: the continuous cache, dynamic evaluation, or both.

Each token is scored before the model adapts to it, so the scores are log p of the text as usual. Positions have the same context as in
plain scoring: without a cache and with a learning rate of 0 the scores are those of plain scoring.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqcli.adaptive_scoring import Cache, Dynamic
from seqcli.errors import UsageError
from seqcli.interfaces import Scores
from seqcli.nn import inference
from seqcli.nn.device import adapt_threads, to_device, to_host
from seqcli.nn.dynamic_evaluation import DynamicWeights
from seqcli.nn.language_model import NeuralLanguageModel, inference_mode, window_begins
from seqcli.text import BOS_ID
from seqcli.token_batch import TokenBatch

_PIECE = 256  # tokens read at a time if no weights are updated


class AdaptiveNetwork:
    """Scores rows in order as the lines of a running text, or, if `apart`, as independent documents. cache, dynamic: settings of the
    adaptation, None if it is not used."""

    horizon: int | None = None  # a document is scored as one row

    def __init__(
        self, model: NeuralLanguageModel, *, cache: Cache | None, dynamic: Dynamic | None, apart: bool,
        training_rows: list[np.ndarray] | None = None,
    ):  # fmt: skip
        """training_rows: rows of training text, whose gradients scale the steps of `dynamic`."""
        self._model, self._settings, self._apart = model, (cache, dynamic), apart
        self._training_rows = training_rows
        self._cache = ContinuousCache(theta=cache.theta, window=cache.window) if cache else None
        self._weights: DynamicWeights | None = None  # made when the weights are on their device
        self._segment = dynamic.segment if dynamic else _PIECE

    @property
    def precision(self) -> str:
        return self._model.precision

    @property
    def vocab_size(self) -> int:
        return self._model.vocab_size

    @property
    def adaptation(self) -> dict[str, str]:
        """The part of the signature for the adaptation."""
        cache, dynamic = self._settings
        labels = {} if cache is None else {cache.KEY: cache.label(neural=True)}
        return labels if dynamic is None else {**labels, dynamic.KEY: dynamic.label(scaled=bool(self._training_rows))}

    def place(self, placement: Any, *, batch_tokens: int | None = None) -> None:
        """See `interfaces.Placeable`. Weights that are updated are not packed for inference."""
        if self._settings[1] is None:
            self._model.place(placement, batch_tokens=batch_tokens)
        elif placement.dtype != torch.float32:
            raise UsageError(f"--dynamic needs --precision fp32, not {placement.precision}")
        else:
            self._model.to(placement.device)

    def restart(self) -> None:
        """Forgets the text so far."""
        if self._cache is not None:
            self._cache.restart()
        if self._weights is not None:
            self._weights.restart()

    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Natural log p of every token given those before it in its row, after adapting to the text before it."""
        assert context is None or not len(context), "a running text is its own context"
        parts = [part for row in batch.rows for part in self._row(row, rank)]
        log_prob = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0)
        return Scores(
            log_prob.astype(np.float32), rank=np.concatenate([part[1] for part in parts]) if rank and parts else None
        )

    def _row(self, row: np.ndarray, rank: bool) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        if self._apart:
            self.restart()
        weights = self._dynamic_weights()
        for features, targets in self._pieces(row):
            with torch.no_grad() if weights else inference_mode(self._model):
                log_prob, ranks = inference.of_targets(self._model, features.detach(), targets, rank=rank)
            yield self._mixed(log_prob, features.detach(), targets), ranks
            if weights is not None:
                weights.step(self._loss(features, targets))

    def _pieces(self, row: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """Features [n, D] and targets [n] of the next tokens of a row, with gradients if the weights are updated."""
        model, state = self._model, None
        learning = self._settings[1] is not None
        tokens = to_device(np.concatenate([[BOS_ID], row]).astype(np.int64), model.device)
        for begin, first, end in pieces(len(row), window=model.window, segment=self._segment):
            adapt_threads()
            with torch.enable_grad() if learning else inference_mode(model):
                features, after = model.features(tokens[None, begin:end], state)
            state = after.detached() if model.window is None else None
            yield features[0, first - begin :], tokens[first + 1 : end + 1]

    def _loss(self, features: Tensor, targets: Tensor) -> Tensor:
        """The mean over a segment, []"""
        total, count = self._model.cross_entropy(features[None], targets[None], None, smoothing=0.0)
        return total / count

    def _mixed(self, log_prob: np.ndarray, features: Tensor, targets: Tensor) -> np.ndarray:
        """float64 [n]"""
        cache, _ = self._settings
        if cache is None or self._cache is None:
            return log_prob
        with torch.inference_mode():
            cached = to_host(self._cache.log_prob(features, targets))
        return cache.mixed(log_prob, cached)

    def _dynamic_weights(self) -> DynamicWeights | None:
        settings = self._settings[1]
        if settings is None or self._weights is not None:
            return self._weights
        self._weights = DynamicWeights(self._model, learning_rate=settings.learning_rate, decay=settings.decay)
        for row in self._training_rows or ():
            for features, targets in self._pieces(row):
                self._weights.collect(self._loss(features, targets))
        if self._training_rows:
            self._weights.scale()
        return self._weights


class ContinuousCache:
    """The continuous cache of Grave, Joulin and Usunier (2017, "Improving neural language models with a continuous cache"): pairs of a
    hidden state and the token that followed it. A token is likely after a state if it followed similar states before.

    Nothing is trained. theta: flatness; window: number of most recent pairs that a state is compared with."""

    def __init__(self, *, theta: float, window: int):
        self._theta, self._window = theta, window
        self.restart()

    def restart(self) -> None:
        """Forgets all pairs."""
        self._states: Tensor | None = None
        self._tokens: Tensor | None = None

    def log_prob(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Natural log p_cache of each token int64 [n] after its state [n, D], given the pairs before it: float32 [n], NaN if
        there are none. The new pairs are added to the cache. (Equation 2 of the paper.)"""
        states = states.float()
        if self._states is None or self._tokens is None:
            known, followers = states, tokens
        else:
            known, followers = torch.cat([self._states, states]), torch.cat([self._tokens, tokens])
        place = torch.arange(len(known) - len(states), len(known), device=states.device)[:, None]
        other = torch.arange(len(known), device=states.device)
        unseen = (other >= place) | (other < place - self._window)  # [n, known]
        likeness = (self._theta * states @ known.T).masked_fill_(unseen, -torch.inf)
        total = likeness.logsumexp(-1)
        of_token = likeness.masked_fill_(followers != tokens[:, None], -torch.inf).logsumexp(-1)
        self._states, self._tokens = known[-self._window :], followers[-self._window :]
        return of_token - total


class Piece(NamedTuple):
    """Positions `begin` to `end` are read; those from `first` on are scored."""

    begin: int
    first: int
    end: int


def pieces(length: int, *, window: int | None, segment: int) -> Iterator[Piece]:
    """The pieces of a row of `length` positions, at most `segment` new ones each, with the context that
    `NeuralLanguageModel.score` gives them: a state, or what their window begins with."""
    if window is None:
        yield from (Piece(first, first, min(first + segment, length)) for first in range(0, length, segment))
        return
    shown = 0
    for begin in window_begins(length, window):
        last = min(begin + window, length)
        for first in range(shown, last, segment):
            yield Piece(begin, first, min(first + segment, last))
        shown = max(shown, last)
