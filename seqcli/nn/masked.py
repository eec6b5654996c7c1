"""Masked language models: every token sees all others, and hidden ones are filled in (BERT, Devlin et al. 2019).

Such a model has no p(text). Instead each token of a text is hidden in turn and predicted from all others; the sum of the
log-probabilities is the pseudo-log-likelihood (PLL; Salazar et al. 2020):

    PLL(w1 ... wn) = log p(w1 | w2 ... wn) + log p(w2 | w1, w3 ... wn) + ... + log p(wn | w1 ... wn-1)

A hybrid model learns both from batches of either kind (GPT-BERT, Charpentier and Samuel 2024): with a causal mask it predicts the
next token, and its log p(text) is that of any language model; with all tokens in view it fills in hidden ones. For the two to share
their weights a hidden token is predicted, as the next token is, at the place before it.

A model that was trained with an end of the text that was never hidden (BERT's [SEP]) has it in view and does not predict it: it is no
part of the sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqcli.errors import UsageError
from seqcli.interfaces import Scores
from seqcli.nn.language_model import NeuralLanguageModel, inference_method
from seqcli.nn.transfer import to_device, to_host
from seqcli.text import BOS_ID, EOS_ID, PAD
from seqcli.token_batch import TokenBatch, of_like_length, padded

_APART = 7  # in training a pass over a row hides every 7th token, about as many as a batch of training hides


class _View(NamedTuple):
    """A stretch of a row, and which of its tokens are hidden."""

    tokens: np.ndarray
    hidden: np.ndarray


class MaskedLanguageModel(NeuralLanguageModel):
    """A network that sees a window of tokens at once, some of them hidden. The token `vocab_size` is the mask.

    predicts_end: rows end in `</s>`, which is predicted; else they come without, and it is in view after each of them.
    """

    hybrid: bool
    predicts_end = True
    window: int
    _apart: int | None = None  # hidden tokens of one pass are so far apart; None: one is hidden

    def seen(self, tokens: Tensor, *, masked: Tensor, real: Tensor) -> Tensor:
        """Features [B, T, D] of tokens int64 [B, T], all of which see each other. masked, real: bool [B, T]; what is masked is
        hidden, what is not real is padding."""
        raise NotImplementedError

    @property
    def pseudo(self) -> bool:
        """Whether its scores are pseudo-log-likelihoods."""
        return not self.hybrid

    @property
    def closed(self) -> bool:
        """Whether every piece of a long row has an end, where vectors are made of it."""
        return not self.predicts_end

    def _whole(self, *parts: np.ndarray | Sequence[int]) -> np.ndarray:
        """A row as it is seen, with the end that is not predicted."""
        return np.concatenate([*parts, [EOS_ID] * (not self.predicts_end)]).astype(np.int64)

    # Training

    def masked_loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        *,
        counted: Tensor | None = None,
        state: Any = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, Any]:
        """As `loss`, of a batch in which tokens are hidden."""
        features = self._features(tokens, tokens == self.vocab_size)
        return *self.cross_entropy(features, targets, counted, smoothing=smoothing), None

    def _features(self, tokens: Tensor, masked: Tensor) -> Tensor:
        real = tokens != PAD
        return self.seen(tokens.masked_fill(masked | ~real, 0), masked=masked, real=real)

    # Scoring

    @contextmanager
    def quickly(self, *, window: int, products: torch.dtype) -> Iterator[int]:
        """As for others; several tokens of a row are hidden at once: an estimate by seven passes instead of one per token."""
        with super().quickly(window=window, products=products) as own:
            self._apart = _APART
            try:
                yield own
            finally:
                self._apart = None

    @inference_method
    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """log p of a hybrid model; else each token's share of the pseudo-log-likelihood. context: in view before each row."""
        if self.hybrid:
            return super().score(batch, context=context, rank=rank)
        return self.pseudo_scores(batch, context=context, rank=rank)

    @inference_method
    def pseudo_scores(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Natural log p of every token given all others of its row. A row that is longer than the window is seen in windows that
        overlap by half, each token in the one where it is nearest to the middle."""
        start = np.array([BOS_ID]) if context is None else np.concatenate([[BOS_ID], context])
        log_prob = np.empty(len(batch.tokens), np.float32)
        ranks = np.empty(len(batch.tokens), np.int64) if rank else None
        views, places = [], []
        for begin, row in zip(batch.starts.tolist(), batch.rows):
            for view, hidden in self._views(self._whole(start, row), given=len(start)):
                views.append(view)
                places.append(hidden + begin - len(start))
                if len(views) >= self.batch_tokens:
                    self._judge_views(views, places, log_prob, ranks)
                    views, places = [], []
        self._judge_views(views, places, log_prob, ranks)
        return Scores(log_prob, rank=ranks)

    def _views(self, row: np.ndarray, *, given: int) -> Iterator[tuple[_View, np.ndarray]]:
        """What has to be seen to score the tokens of a row after the first `given`, and which of them each view scores. A model with
        an end that it does not predict was trained on `<s>` and `</s>` around what it sees, so that every window of a long row has both."""
        around = int(self.closed)
        inner = row[around : len(row) - around]
        room = max(1, self.window - 2 * around)
        last = max(len(inner) - room, 0)
        begins = [*range(0, last, max(1, room // 2)), last]
        middles = np.array(begins) + (min(room, len(inner)) - 1) / 2
        nearest = np.abs(np.arange(len(inner))[:, None] - middles).argmin(1)
        for number, begin in enumerate(begins):
            tokens = inner[begin : begin + room]
            if around:
                tokens = np.concatenate([[BOS_ID], tokens, [EOS_ID]])
            own = np.flatnonzero(nearest == number)
            own = own[own >= given - around]
            groups = own[:, None] if self._apart is None else [own[own % self._apart == k] for k in range(self._apart)]
            for hidden in groups:
                if len(hidden):
                    yield _View(tokens, hidden - begin + around), hidden + around

    def _judge_views(
        self, views: Sequence[_View], places: Sequence[np.ndarray], log_prob: np.ndarray, ranks: np.ndarray | None
    ) -> None:
        """Scores of what is hidden, put into their places."""
        lengths = np.array([len(view.tokens) for view in views], np.int64)
        for group in of_like_length(lengths, budget=self.batch_tokens, most=self.window):
            some = [views[n] for n in group]
            wanted = np.concatenate([view.tokens[view.hidden] for view in some])
            targets = to_device(wanted.astype(np.int64), self.device)
            lp, rk = self._judge(self._of_hidden(some), targets, ranks is not None)
            where = np.concatenate([places[n] for n in group])
            log_prob[where] = lp
            if ranks is not None:
                ranks[where] = rk

    def _of_hidden(self, views: Sequence[_View]) -> Tensor:
        """Features [n, D] at which the hidden tokens of the views are predicted, in order."""
        rows = [view.tokens.copy() for view in views]
        for row, view in zip(rows, views):
            row[view.hidden] = self.vocab_size
        tokens = to_device(padded(rows, fill=PAD), self.device)
        features = self._features(tokens, tokens == self.vocab_size)
        lines = np.repeat(np.arange(len(views)), [len(view.hidden) for view in views])
        columns = np.concatenate([view.hidden for view in views]) - self.hybrid
        return features.flatten(0, 1).index_select(0, to_device(lines * tokens.shape[1] + columns, self.device))

    # Filling in

    @inference_method
    def fill(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Natural log p of what is hidden in each row (int [T], without `<s>`; the mask is the token `vocab_size`), all masks of a
        row at once: float32 [masks, V]. Raises UsageError for a row that is longer than the window."""
        views = []
        for row in rows:
            tokens = self._whole([BOS_ID], row)
            if len(tokens) > self.window:
                what = f"{len(tokens):,} tokens, and the model sees {self.window:,}"
                raise UsageError(what, cure="give a shorter text")
            views.append(_View(tokens, np.flatnonzero(tokens == self.vocab_size)))
        found = [np.zeros((0, self.vocab_size), np.float32) for _ in rows]
        lengths = np.array([len(view.tokens) for view in views], np.int64)
        for group in of_like_length(lengths, budget=self.batch_tokens, most=self.window):
            some = [views[n] for n in group]
            log_probs = to_host(self.logits(self._of_hidden(some)).log_softmax(-1))
            cuts = np.cumsum([len(view.hidden) for view in some])[:-1]
            for n, part in zip(group, np.split(log_probs, cuts)):
                found[n] = part
        return found

    # Stepping

    def _extended(self, tokens: np.ndarray, lengths: np.ndarray, state: Any) -> tuple[Tensor, Any]:
        """Of a hybrid model. Raises UsageError for one that fills in only: it has no next token."""
        if not self.hybrid:
            cure = "use `generate --fill`, or train with --objective hybrid"
            raise UsageError("a masked model does not predict the next token", cure=cure)
        return super()._extended(tokens, lengths, state)
