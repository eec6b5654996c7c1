"""Transformer encoder classifier: every token sees all others, then the row is pooled (Vaswani et al. 2017, Devlin et al. 2019).

Its body has the shape of the Transformer language model's and may begin as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from seqcli.nn import pooling
from seqcli.nn.classifier import NeuralClassifier, several
from seqcli.nn.dropout import Dropout
from seqcli.nn.initialise import initialise
from seqcli.nn.linear import Linear
from seqcli.nn.pooling import Pooling
from seqcli.nn.transformer import TransformerConfig, TransformerStack
from seqcli.nn.weights import restored
from seqcli.ranges import fraction, setting, within

TASK = "classification"


@dataclass(frozen=True)
class Config(TransformerConfig):
    """Of the stack and the pooling."""

    window: int = within(
        2, 1 << 20, default=512, help="longest stretch of tokens seen at once; longer texts are read in windows"
    )
    pooling: tuple[str, ...] = setting(
        ("mean",), help="how token features become one vector: max, mean, last, attention, or several"
    )
    causal: bool = setting(False, help="let tokens see only earlier ones, as in a language model")
    word_dropout: float = fraction(0.0, help="share of training tokens replaced by <unk>")
    members: int = within(1, 1000, default=1, help="number of networks in the ensemble")

    def __post_init__(self):
        super().__post_init__()
        pooling.check(self.pooling)


class TransformerClassifier(NeuralClassifier):
    body: TransformerStack

    def __init__(self, config: Config, *, vocab_size: int, labels: int):
        super().__init__()
        self.window, self.word_dropout, self._causal = config.window, config.word_dropout, config.causal
        self.body = TransformerStack(config, vocab_size=vocab_size)
        self.pooling = Pooling(config.pooling, config.width)
        self.dropout = Dropout(config.dropout)
        self.head = Linear(self.pooling.width, labels)
        initialise(self, depth=config.layers)

    def features(self, tokens: Tensor, real: Tensor) -> Tensor:
        x, _ = self.body(tokens, real=None if self._causal else real)
        return self.dropout(self.pooling(x, real))


def build(config: Config, *, vocab_size: int, labels: int) -> NeuralClassifier:
    return several(lambda: TransformerClassifier(config, vocab_size=vocab_size, labels=labels), config.members)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int, labels: int) -> NeuralClassifier:
    config = Config(**{**settings, "pooling": tuple(settings["pooling"])})
    return restored(lambda: build(config, vocab_size=vocab_size, labels=labels), named)
