"""Recurrent language model with rnn, lstm or gru cells, for texts of any length with a state of fixed size.

Elman (1990), Mikolov et al. (2010); embeddings tied to the head (Inan et al. 2017), dropouts of AWD-LSTM (Merity et al.
2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.nn.linear import Linear
from seqcli.nn.recurrent import CELLS, Hidden, RecurrentStack
from seqcli.nn.weights import initialise_recurrent, restored
from seqcli.ranges import check, fraction, one_of, setting, within

TASK = "language"


@dataclass(frozen=True)
class Config:
    """Settings of a recurrent language model."""

    cell: str = one_of(tuple(CELLS), default="lstm", help="recurrent cell; each --arch has its own")
    width: int = within(1, 1 << 16, default=256, help="width of the hidden layers")
    embedding: int = within(0, 1 << 16, default=0, help="width of the token embeddings (0: width)")
    layers: int = within(1, 64, default=1, help="number of layers")
    dropout: float = fraction(0.0, help="dropout probability")
    weight_dropout: float = fraction(0.0, help="dropout probability of the recurrent weights (DropConnect)")
    word_dropout: float = fraction(0.0, help="share of training tokens replaced by <unk>")
    tied: bool = setting(True, help="share the output matrix with the embedding")

    def __post_init__(self):
        check(self)


class Recurrent(NeuralLanguageModel):
    carried = Hidden
    body: RecurrentStack

    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        embedding = config.embedding or config.width
        out = embedding if config.tied else config.width
        self.body = RecurrentStack(
            vocab_size=vocab_size, cell=config.cell, embedding=embedding, width=config.width, layers=config.layers,
            dropout=config.dropout, weight_dropout=config.weight_dropout, word_dropout=config.word_dropout, out=out,
        )  # fmt: skip
        self.head = Linear(out, vocab_size)
        nn.init.normal_(self.body.embedding.weight, std=1 / math.sqrt(embedding))
        nn.init.zeros_(self.head.bias)
        if config.tied:
            self.head.weight = self.body.embedding.weight
        initialise_recurrent(self.body.layers)

    def features(self, tokens: Tensor, state: Hidden | None = None) -> tuple[Tensor, Hidden]:
        return self.body(tokens, state)


def build(config: Config, *, vocab_size: int) -> Recurrent:
    return Recurrent(config, vocab_size=vocab_size)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int) -> NeuralLanguageModel:
    config = Config(**settings)
    return restored(lambda: build(config, vocab_size=vocab_size), named)
