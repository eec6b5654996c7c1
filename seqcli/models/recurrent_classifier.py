"""Recurrent classifier, many to one, in one or both directions, with rnn, lstm or gru cells.

Bidirectional (Schuster and Paliwal 1997), with separate stacks for the two directions as in ELMo (Peters et al. 2018), so
that the forward one has the shape of a language model's body and may be initialised with one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.nn.classifier import NeuralClassifier, several
from seqcli.nn.layers import Pooling, check_pooling
from seqcli.nn.linear import Linear
from seqcli.nn.recurrent import CELLS, RecurrentLayers, RecurrentStack, backwards
from seqcli.nn.weights import initialise_recurrent, restored
from seqcli.ranges import check, fraction, one_of, setting, within

TASK = "classification"


@dataclass(frozen=True)
class Config:
    """Settings of a recurrent classifier."""

    cell: str = one_of(tuple(CELLS), default="lstm", help="recurrent cell; each --arch has its own")
    width: int = within(1, 1 << 16, default=128, help="width of the hidden layers of one direction")
    embedding: int = within(0, 1 << 16, default=0, help="width of the token embeddings (0: width)")
    layers: int = within(1, 64, default=1, help="number of layers")
    bidirectional: bool = setting(True, help="read in both directions")
    tied: bool = setting(
        False,
        help="project the output to the width of the embedding, as a language model with a tied head does (for --init)",
    )
    pooling: tuple[str, ...] = setting(
        ("max",), help="how token features become one vector: max, mean, last, attention, or several"
    )
    dropout: float = fraction(0.0, help="dropout probability")
    weight_dropout: float = fraction(0.0, help="dropout probability of the recurrent weights (DropConnect)")
    word_dropout: float = fraction(0.0, help="share of training tokens replaced by <unk>")
    members: int = within(1, 1000, default=1, help="number of networks in the ensemble")
    window: int = within(
        2, 1 << 20, default=512, help="maximum number of tokens read at once; longer texts are read in windows"
    )

    def __post_init__(self):
        check(self)
        check_pooling(self.pooling)


class RecurrentClassifier(NeuralClassifier):
    body: RecurrentStack
    back: RecurrentLayers | None
    back_pooling: Pooling | None

    def __init__(self, config: Config, *, vocab_size: int, labels: int):
        super().__init__()
        self.window, self.word_dropout = config.window, config.word_dropout
        embedding = config.embedding or config.width
        out = embedding if config.tied else config.width
        self.body = RecurrentStack(
            vocab_size=vocab_size, cell=config.cell, embedding=embedding, width=config.width, layers=config.layers,
            dropout=config.dropout, weight_dropout=config.weight_dropout, word_dropout=0.0, out=out,
        )  # fmt: skip
        self.pooling, self.back, self.back_pooling, width = Pooling(config.pooling, out), None, None, 0
        if config.bidirectional:
            self.back = RecurrentLayers(
                cell=config.cell, widths=[embedding] + [config.width] * config.layers, dropout=config.dropout,
                weight_dropout=config.weight_dropout,
            )  # fmt: skip
            self.back_pooling = Pooling(config.pooling, config.width)
            width = self.back_pooling.width
        self.head = Linear(self.pooling.width + width, labels)
        nn.init.normal_(self.body.embedding.weight, std=1 / math.sqrt(embedding))
        nn.init.zeros_(self.head.bias)
        initialise_recurrent([*self.body.layers, *(self.back.layers if self.back else [])])

    def features(self, tokens: Tensor, real: Tensor) -> Tensor:
        embedded = self.body.embedded(tokens)
        pooled = self.pooling(self.body.run(embedded)[0], real)
        if self.back is None or self.back_pooling is None:
            return pooled
        # in reading order: the last state of the backward direction has read the first token
        back, _ = self.back(backwards(embedded, real.sum(dim=1)))
        return torch.cat([pooled, self.back_pooling(back, real)], dim=-1)


def build(config: Config, *, vocab_size: int, labels: int) -> NeuralClassifier:
    return several(lambda: RecurrentClassifier(config, vocab_size=vocab_size, labels=labels), config.members)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int, labels: int) -> NeuralClassifier:
    config = Config(**{**settings, "pooling": tuple(settings["pooling"])})
    return restored(lambda: build(config, vocab_size=vocab_size, labels=labels), named)
