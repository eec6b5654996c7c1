"""What all neural classifiers share: features of a whole row, a head, the loss, and the border to numpy.

An architecture says how a row becomes features (`features`). Letters as in `interfaces.py`, and C labels. Rows are padded
on the right with PAD, which every architecture masks out.

An ensemble is several networks of one shape used as one classifier: they are initialised differently and trained together, and
their probabilities are averaged. This reduces the variance of the predictions (Hansen and Salamon 1990) and usually gains about a
point of accuracy, at a cost proportional to the number of networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli import finite
from seqcli.nn.device import to_host
from seqcli.nn.encoder import NeuralEncoder, in_groups, mean_of_pieces, pieces_of
from seqcli.nn.inference import chosen
from seqcli.nn.layers import Modules
from seqcli.text import EOS_ID, PAD, UNK_ID
from seqcli.token_batch import TokenBatch


class NeuralClassifier(NeuralEncoder):
    """log p(label | tokens) up to a constant. Weights are named `body.*`, as in a language model of the same
    shape, and others. The logits of a row longer than the window are the mean of those of its pieces, weighted by their
    number of tokens. word_dropout: share of tokens replaced by `<unk>` in training, anew in each step."""

    word_dropout = 0.0
    label_weights: Tensor | None = None  # [C], weight of each label in the loss

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens int64 [B, T], PAD on the right -> logits float32 [B, C]."""
        tokens = tokens[:, : self.window]  # the rest is padding: batch lengths are rounded up for the kernels
        real = tokens != PAD
        if self.training and self.word_dropout:
            dropped = (torch.rand(tokens.shape, device=tokens.device) < self.word_dropout) & (tokens > EOS_ID)
            tokens = tokens.masked_fill(dropped, UNK_ID)
        return self.head(self.features(tokens.clamp_min(0), real)).float()

    @property
    def labels(self) -> int:
        return self.head.out_features

    @torch.inference_mode()
    def classify(self, batch: TokenBatch) -> np.ndarray:
        """Logits of every row, float32 [B, C]."""
        pieces, owners = pieces_of(batch, longest=self.window - 1, closed=self.closed)
        logits = np.zeros((len(pieces), self.labels), np.float64)
        with self.cast():
            for group, tokens in in_groups(pieces, budget=self.batch_tokens, start=True, device=self.device):
                logits[group] = to_host(self(tokens))
        means = mean_of_pieces(logits, pieces, owners, rows=len(batch.lengths)).astype(np.float32)
        finite.check_logits(means)
        return means

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        *,
        counted: Tensor | None = None,
        state: None = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, None]:
        """Summed cross-entropy in nats of targets int64 [B] or probabilities float32 [B, C] (negative: ignored), their number,
        no state."""
        kept = chosen(targets if targets.dim() == 1 else targets[:, 0], counted)
        total = F.cross_entropy(
            self(tokens).index_select(0, kept),
            targets.index_select(0, kept),
            weight=self.label_weights,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return total, len(kept), None


class Ensemble(NeuralClassifier):
    """p(label | text) is the mean over its members, and the training loss is the mean of theirs."""

    def __init__(self, members: list[NeuralClassifier]):
        super().__init__()
        self.members: Modules[NeuralClassifier] = Modules(members)
        self.window, self.closed = members[0].window, members[0].closed

    @property
    def device(self) -> torch.device:
        return self.members[0].device

    @property
    def labels(self) -> int:
        return self.members[0].labels

    @property
    def held(self) -> bool:
        return self.members[0].held

    def row_vectors(self, tokens: Tensor) -> Tensor:
        """See `Network.row_vectors`: those of all members, concatenated."""
        return torch.cat([member.row_vectors(tokens) for member in self.members], dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        shares = torch.stack([member(tokens).log_softmax(-1) for member in self.members])
        return shares.logsumexp(0) - math.log(len(shares))

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        *,
        counted: Tensor | None = None,
        state: None = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, None]:
        total, count = torch.zeros((), device=tokens.device), 0
        for member in self.members:
            member.label_weights = self.label_weights
            own, count, _ = member.loss(tokens, targets, counted=counted, smoothing=smoothing)
            total = total + own / len(self.members)
        return total, count, None


def several(make: Callable[[], NeuralClassifier], members: int) -> NeuralClassifier:
    """One network, or an ensemble of that many."""
    return make() if members == 1 else Ensemble([make() for _ in range(members)])
