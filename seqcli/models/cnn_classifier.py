"""Convolutional classifier (Kim 2014): filters over short sequences of tokens, with max pooling over positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.classifier import NeuralClassifier, several
from seqcli.nn.layers import Dropout, Modules
from seqcli.nn.linear import Linear
from seqcli.nn.weights import restored
from seqcli.ranges import check, each, fraction, within

TASK = "classification"


@dataclass(frozen=True)
class Config:
    """Settings of a convolutional classifier."""

    embedding: int = within(1, 1 << 16, default=128, help="width of the token embeddings")
    filters: int = within(1, 1 << 16, default=128, help="filters of each width")
    widths: tuple[int, ...] = each(1, 64, default=(3, 4, 5), help="widths of the filters, in tokens")
    dropout: float = fraction(0.5, help="dropout probability")
    word_dropout: float = fraction(0.0, help="share of training tokens replaced by <unk>")
    members: int = within(1, 1000, default=1, help="number of networks in the ensemble")
    window: int = within(
        2, 1 << 20, default=512, help="maximum number of tokens read at once; longer texts are read in windows"
    )

    def __post_init__(self):
        check(self)
        if not 1 <= len(self.widths) <= 64:
            raise ValueError(f"widths must be 1 to 64 numbers, got {len(self.widths)}")


class Body(nn.Module):
    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, config.embedding)
        self.filters: Modules[Linear] = Modules(
            Linear(width * config.embedding, config.filters) for width in config.widths
        )


class CnnClassifier(NeuralClassifier):
    body: Body

    def __init__(self, config: Config, *, vocab_size: int, labels: int):
        super().__init__()
        self.window, self.word_dropout = config.window, config.word_dropout
        self.body = Body(config, vocab_size=vocab_size)
        self._widths, self.dropout = config.widths, Dropout(config.dropout)
        self.head = Linear(config.filters * len(config.widths), labels)
        nn.init.normal_(self.body.embedding.weight, std=1 / math.sqrt(config.embedding))
        nn.init.zeros_(self.head.bias)

    def features(self, tokens: Tensor, real: Tensor) -> Tensor:
        x = self.body.embedding(tokens) * real[..., None]  # [B, T, E], zero beyond the end
        pooled = []
        for width, filters in zip(self._widths, self.body.filters):
            seen = F.pad(x, (0, 0, width - 1, 0)).unfold(1, width, 1).flatten(2)  # [B, T, E x width], up to each token
            found = filters(seen).masked_fill(~real[..., None], -torch.inf)
            pooled.append(F.relu(found.amax(dim=1)))
        return self.dropout(torch.cat(pooled, dim=-1))


def build(config: Config, *, vocab_size: int, labels: int) -> NeuralClassifier:
    return several(lambda: CnnClassifier(config, vocab_size=vocab_size, labels=labels), config.members)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int, labels: int) -> NeuralClassifier:
    config = Config(**{**settings, "widths": tuple(settings["widths"])})
    return restored(lambda: build(config, vocab_size=vocab_size, labels=labels), named)
