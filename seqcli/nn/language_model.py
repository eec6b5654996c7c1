"""What all neural language models share: a body that makes features, a head, and the border to numpy.

An architecture says how features are made (`features`) and what is remembered between calls; scoring, stepping and the
loss are the same for all. Letters as in `interfaces.py`; here rows are padded, [B, T], and padding is always on the
right, where no causal model can see it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli.interfaces import Scores, State
from seqcli.nn import inference
from seqcli.nn.cross_entropy import SoftTargets
from seqcli.nn.device import adapt_threads, to_device, to_host
from seqcli.nn.device_logits import DeviceLogits
from seqcli.nn.inference import Network
from seqcli.text import BOS_ID, PAD
from seqcli.token_batch import TokenBatch, of_like_length, owners, padded, places


@contextmanager
def inference_mode(model: NeuralLanguageModel) -> Iterator[None]:
    """A context that keeps no gradients, with matrix products in the model's `products`."""
    cast = model.linear and model.head.held  # the products cast by themselves
    exact = cast or model.products == torch.float32  # an autocast of training is left as it is
    with torch.inference_mode(), nullcontext() if exact else torch.autocast(model.device.type, model.products):
        yield


def inference_method(method: Callable) -> Callable:
    """A method within `inference_mode`."""

    @functools.wraps(method)
    def run(self, *arguments, **named):
        with inference_mode(self):
            return method(self, *arguments, **named)

    return run


class NeuralLanguageModel(Network):
    """p(token | preceding tokens) from `features` and a linear head. Weights are named `body.*` and `head.*`. window:
    maximum number of tokens read at once (None: any number, with a recurrent state); longer rows are scored in
    overlapping windows, so that each token has at least half a window of context."""

    linear = False  # whether all matrix products are `Linear`s, which cast by themselves once packed, so no autocast is needed
    horizon: int | None = None  # a document is scored as one row
    # for the tokens of a batch, and the flat indices of some of them: what is learned besides the next token
    soft_targets: Callable[[Tensor], Callable[[Tensor], SoftTargets]] | None = None

    def features(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """tokens: int64 [B, T], including `<s>` where a row begins. Returns [B, T, D] and the state after the last
        token. A state is a `State` that also has `joined(states)`, which concatenates the rows of several states."""
        raise NotImplementedError

    def states(self, tokens: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The states whose mean is the vector of a text, [B, T, D], for tokens int64 [B, T], `<s>` first, and which of them are counted,
        bool [B, T]. real: bool [B, T], False for padding."""
        counted = real.clone()
        counted[:, 0] = False  # the state after `<s>` does not depend on the text
        return self.features(tokens)[0], counted

    def row_vectors(self, tokens: Tensor) -> Tensor:
        """See `Network.row_vectors`: the mean of the states."""
        return inference.masked_mean(*self.states(tokens.clamp_min(0), tokens != PAD))

    def beginning(self, rows: int) -> Any:
        """The initial state of rows, for stepping."""
        return None

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """`features` of more tokens than a window may hold."""
        return self.features(tokens, state)

    @contextmanager
    def quickly(self, *, window: int, products: torch.dtype) -> Iterator[int]:
        """Context in which scoring uses the precision of training and scores long rows in overlapping windows of that
        many tokens, even where a recurrent state could read them one after another: seconds instead of a minute.
        Yields the window, the model's own if it has one."""
        own = self.window, self.batch_tokens, self.products
        self.products = products
        if self.window is None:
            self.window, self.batch_tokens = window, 32 * window
        try:
            yield self.window
        finally:
            self.window, self.batch_tokens, self.products = own

    @property
    def vocab_size(self) -> int:
        return self.head.weight.shape[0]

    # Scoring

    @inference_method
    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Natural log p of every token. Rows of similar length are scored together, to keep padding small."""
        start = np.array([BOS_ID]) if context is None else np.concatenate([[BOS_ID], context])
        log_prob = np.empty(len(batch.tokens), np.float32)
        ranks = np.empty(len(batch.tokens), np.int64) if rank else None
        starts, texts = batch.starts, batch.rows
        for rows in of_like_length(batch.lengths, budget=self.batch_tokens, most=self.window or self.batch_tokens):
            if batch.lengths[rows[0]] + len(start) > (self.window or self.batch_tokens) + 1:
                parts = [self._score_long(np.concatenate([start, texts[rows[0]]]), len(start), rank)]
            else:
                parts = self._score_rows([texts[row] for row in rows], start, rank)
            for row, (lp, rk) in zip(rows, parts, strict=True):
                place = slice(int(starts[row]), int(starts[row] + batch.lengths[row]))
                log_prob[place] = lp
                if ranks is not None:
                    ranks[place] = rk
        return Scores(log_prob, rank=ranks)

    def _score_rows(self, rows: list[np.ndarray], start: np.ndarray, rank: bool) -> list[tuple]:
        tokens = padded([np.concatenate([start, row]) for row in rows], fill=0)
        features, _ = self.features(to_device(tokens[:, :-1], self.device))
        lengths = np.array([len(row) for row in rows], np.int64)
        kept = owners(lengths) * features.shape[1] + places(lengths) + len(start) - 1  # rows one after another
        some = features.flatten(0, 1).index_select(0, to_device(kept, self.device))
        lp, rk = self._judge(some, to_device(np.concatenate(rows).astype(np.int64), self.device), rank)
        cuts = np.cumsum(lengths)[:-1]
        ranks: Sequence[np.ndarray | None] = [None] * len(rows) if rk is None else np.split(rk, cuts)
        return list(zip(np.split(lp, cuts), ranks))

    def _score_long(self, sequence: np.ndarray, given: int, rank: bool) -> tuple:
        """Scores a row longer than a window."""
        parts = [self._judge(features, targets, rank) for features, targets in self._passes(sequence)]
        lp = np.concatenate([part[0] for part in parts])[given - 1 :]
        return lp, np.concatenate([part[1] for part in parts])[given - 1 :] if rank else None

    def _passes(self, sequence: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """The features [n, D] from which the tokens of a sequence after its first are predicted, and these tokens [n]: with a recurrent
        state, or in windows that overlap by half, several at once."""
        sequence, state = sequence.astype(np.int64), None
        if self.window is None:
            for begin in range(0, len(sequence) - 1, self.batch_tokens):
                part = to_device(sequence[begin : begin + self.batch_tokens + 1], self.device)
                features, state = self.features(part[None, :-1], state)
                yield features[0], part[1:]
        else:
            for seen, new in _windows(len(sequence) - 1, self.window, at_once=max(1, self.batch_tokens // self.window)):
                features, _ = self.features(to_device(sequence[seen], self.device))
                some = features.flatten(0, 1).index_select(0, to_device(np.flatnonzero(new), self.device))
                yield some, to_device(sequence[seen + 1][new], self.device)

    def distributions(self, row: np.ndarray) -> Iterator[np.ndarray]:
        """See `interfaces.Distributions`."""
        features = self._read_whole(np.append(BOS_ID, row))
        for part in features.split(inference.rows_at_once(self)):
            yield self._log_probs(part)

    @inference_method
    def _read_whole(self, sequence: np.ndarray) -> Tensor:
        return torch.cat([features for features, _ in self._passes(sequence)])

    @inference_method
    def _log_probs(self, features: Tensor) -> np.ndarray:
        return to_host(self.logits(features).log_softmax(-1))

    def _judge(self, features: Tensor, targets: Tensor, rank: bool) -> tuple[np.ndarray, np.ndarray | None]:
        adapt_threads()
        return inference.of_targets(self, features, targets, rank=rank)

    def logits(self, features: Tensor) -> Tensor:
        """float32 [..., V]; -inf for tokens that are never predicted, such as `<s>`."""
        return inference.logits(self, features)

    # Stepping

    def extend(self, tokens: np.ndarray, lengths: np.ndarray, state: State | None = None) -> tuple[np.ndarray, State]:
        """See `interfaces.LanguageModel.extend`."""
        logits, state = self._extended(tokens, lengths, state)
        return inference.fetched(logits), state

    def step(self, tokens: np.ndarray, lengths: np.ndarray, state: State | None = None) -> tuple[DeviceLogits, State]:
        """See `interfaces.OnDevice.step`."""
        logits, state = self._extended(tokens, lengths, state)
        return DeviceLogits(logits), state

    @inference_method
    def _extended(self, tokens: np.ndarray, lengths: np.ndarray, state: State | None) -> tuple[Tensor, State]:
        return inference.extend(
            self, tokens, lengths, state, begin=lambda rows: self.beginning(len(rows)), read=self.read
        )

    # Training

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        *,
        counted: Tensor | None = None,
        state: Any = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, Any]:
        """Summed cross-entropy in nats of targets [B, T] (negative: ignored), their number, the state."""
        features, state = self.features(tokens, state)
        soft = self.soft_targets(tokens) if self.soft_targets else None
        return *self.cross_entropy(features, targets, counted, smoothing=smoothing, soft=soft), state


def window_begins(length: int, window: int) -> list[int]:
    """Where the overlapping windows over `length` positions begin: each half a window after the one before, the last at the end."""
    last = max(length - window, 0)
    return [*range(0, last, max(window // 2, 1)), last]


def _windows(length: int, window: int, *, at_once: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions [B, W] of overlapping windows over 0 ... length - 1, and which of them are new, bool. Windows of 4 over 7:
    0123 with all new, 2345 with 4 and 5 new, 3456 with 6 new."""
    begins = window_begins(length, window)
    shown = 0
    for first in range(0, len(begins), at_once):
        seen = np.array(begins[first : first + at_once])[:, None] + np.arange(min(window, length))
        new = np.zeros(seen.shape, bool)
        for row, here in zip(new, seen):
            row[here >= shown] = True
            shown = max(shown, int(here[-1]) + 1)
        yield seen, new
