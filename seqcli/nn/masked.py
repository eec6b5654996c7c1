"""Masked language models: every token attends to all others, and masked tokens are predicted (BERT, Devlin et al. 2019).

Such a model does not define p(text). Instead each token of a text is masked in turn and predicted from all others; the sum of the
log-probabilities is the pseudo-log-likelihood (PLL; Salazar et al. 2020):

    PLL(w1 ... wn) = log p(w1 | w2 ... wn) + log p(w2 | w1, w3 ... wn) + ... + log p(wn | w1 ... wn-1)

A hybrid model is trained on batches of both kinds (GPT-BERT, Charpentier and Samuel 2024): with a causal mask it predicts the next
token, and its log p(text) is that of any language model; with full attention it predicts masked tokens. To share the weights, a
masked token is predicted at the position before it, as the next token is.

A model trained with an end token that was never masked (BERT's [SEP]) reads it but does not predict it, so it is not part of the sum.
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
from seqcli.nn.device import to_device, to_host
from seqcli.nn.language_model import NeuralLanguageModel, inference_method
from seqcli.text import BOS_ID, EOS_ID, PAD
from seqcli.token_batch import TokenBatch, of_like_length, padded

_APART = 7  # during training, evaluation masks every 7th token at once, about the share that training masks


class _View(NamedTuple):
    """A window of a row, and which of its tokens are masked."""

    tokens: np.ndarray
    hidden: np.ndarray


class MaskedLanguageModel(NeuralLanguageModel):
    """A network that reads a window of tokens, some of them masked. The mask token has the id `vocab_size`.

    predicts_end: whether rows end in `</s>`, which is predicted; otherwise rows come without it, and it is appended but not predicted.
    """

    hybrid: bool
    predicts_end = True
    window: int
    _apart: int | None = None  # distance between the masked tokens of a pass; None: one masked token

    def seen(self, tokens: Tensor, *, masked: Tensor, real: Tensor) -> Tensor:
        """Features [B, T, D] of tokens int64 [B, T], all of which attend to each other. masked, real: bool [B, T]: masked
        tokens are replaced by the mask, tokens that are not real are padding."""
        raise NotImplementedError

    @property
    def pseudo(self) -> bool:
        """Whether its scores are pseudo-log-likelihoods."""
        return not self.hybrid

    @property
    def closed(self) -> bool:
        """Whether every piece of a long row ends in `</s>` when it is embedded."""
        return not self.predicts_end

    def _whole(self, *parts: np.ndarray | Sequence[int]) -> np.ndarray:
        """A row as the network reads it, including an end that is not predicted."""
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
        """As `loss`, for a batch with masked tokens."""
        features = self._features(tokens, tokens == self.vocab_size)
        return *self.cross_entropy(features, targets, counted, smoothing=smoothing), None

    def _features(self, tokens: Tensor, masked: Tensor) -> Tensor:
        real = tokens != PAD
        return self.seen(tokens.masked_fill(masked | ~real, 0), masked=masked, real=real)

    # Scoring

    @contextmanager
    def quickly(self, *, window: int, products: torch.dtype) -> Iterator[int]:
        """As for other models. Several tokens of a row are masked at once: an estimate with seven passes instead of one per token."""
        with super().quickly(window=window, products=products) as own:
            self._apart = _APART
            try:
                yield own
            finally:
                self._apart = None

    @inference_method
    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """log p for a hybrid model; otherwise the pseudo-log-likelihood of each token. context: precedes each row and is not scored."""
        if self.hybrid:
            return super().score(batch, context=context, rank=rank)
        return self.pseudo_scores(batch, context=context, rank=rank)

    @inference_method
    def pseudo_scores(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Natural log p of every token given all others of its row. A row longer than the window is read in windows that overlap by
        half; each token is scored in the one where it is nearest to the middle."""
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
        """The views needed to score the tokens of a row after the first `given`, and which tokens each of them scores. A model that does
        not predict the end was trained with `<s>` and `</s>` around its input, so every window of a long row has both."""
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
        """Writes the scores of the masked tokens to their positions."""
        lengths = np.array([len(view.tokens) for view in views], np.int64)
        for group in of_like_length(lengths, budget=self.batch_tokens, most=self.window):
            some = [views[n] for n in group]
            hidden = np.concatenate([view.tokens[view.hidden] for view in some])
            targets = to_device(hidden.astype(np.int64), self.device)
            lp, rk = self._judge(self._of_hidden(some), targets, ranks is not None)
            where = np.concatenate([places[n] for n in group])
            log_prob[where] = lp
            if ranks is not None:
                ranks[where] = rk

    def _of_hidden(self, views: Sequence[_View]) -> Tensor:
        """Features [n, D] from which the masked tokens of the views are predicted, in order."""
        rows = [view.tokens.copy() for view in views]
        for row, view in zip(rows, views):
            row[view.hidden] = self.vocab_size
        tokens = to_device(padded(rows, fill=PAD), self.device)
        features = self._features(tokens, tokens == self.vocab_size)
        lines = np.repeat(np.arange(len(views)), [len(view.hidden) for view in views])
        columns = np.concatenate([view.hidden for view in views]) - self.hybrid
        return features.flatten(0, 1).index_select(0, to_device(lines * tokens.shape[1] + columns, self.device))

    def distributions(self, row: np.ndarray) -> Iterator[np.ndarray]:
        """See `interfaces.Distributions`."""
        if self.hybrid:
            yield from super().distributions(row)
            return
        views = [view for view, _ in self._views(self._whole([BOS_ID], row), given=1)]
        step = max(1, self.batch_tokens // min(self.window, len(row) + 2))
        for begin in range(0, len(views), step):
            yield self._filled(views[begin : begin + step])

    @inference_method
    def _filled(self, views: Sequence[_View]) -> np.ndarray:
        return to_host(self.logits(self._of_hidden(views)).log_softmax(-1))

    # Filling in

    @inference_method
    def fill(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Natural log p at the masks of each row (int [T], without `<s>`; the mask has the id `vocab_size`), all masks of a row at
        once: float32 [masks, V]. Raises UsageError for a row longer than the window."""
        views = []
        for row in rows:
            tokens = self._whole([BOS_ID], row)
            if len(tokens) > self.window:
                what = f"{len(tokens):,} tokens, but the model reads at most {self.window:,}"
                raise UsageError(what, cure="give a shorter text")
            views.append(_View(tokens, np.flatnonzero(tokens == self.vocab_size)))
        found = [np.zeros((0, self.vocab_size), np.float32) for _ in rows]
        lengths = np.array([len(view.tokens) for view in views], np.int64)
        for group in of_like_length(lengths, budget=self.batch_tokens, most=self.window):
            some = [views[n] for n in group]
            log_probs = self._filled(some)
            cuts = np.cumsum([len(view.hidden) for view in some])[:-1]
            for n, part in zip(group, np.split(log_probs, cuts)):
                found[n] = part
        return found

    # Stepping

    def _extended(self, tokens: np.ndarray, lengths: np.ndarray, state: Any) -> tuple[Tensor, Any]:
        """`extend` of a hybrid model. Raises UsageError for a masked model, which does not predict next tokens."""
        if not self.hybrid:
            cure = "use `generate --fill`, or train with --objective hybrid"
            raise UsageError("a masked model does not predict the next token", cure=cure)
        return super()._extended(tokens, lengths, state)
