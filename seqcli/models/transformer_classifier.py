"""Transformer encoder classifier: every token attends to all others, then the row is pooled (Vaswani et al. 2017, Devlin et
al. 2019).

Its body has the shape of the Transformer language model's and may be initialised with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.nn.classifier import NeuralClassifier, several
from seqcli.nn.layers import Dropout, Pooling, check_pooling
from seqcli.nn.linear import Linear
from seqcli.nn.transformer import TransformerConfig, TransformerStack, activated
from seqcli.nn.weights import initialise, restored
from seqcli.ranges import fraction, one_of, setting, within

TASK = "classification"
TRANSFORMS = ("none", "tanh", "relu", "gelu", "gelu_exact")


@dataclass(frozen=True)
class Config(TransformerConfig):
    """Settings of the stack and the pooling."""

    window: int = within(
        2, 1 << 20, default=512, help="maximum number of tokens read at once; longer texts are read in windows"
    )
    pooling: tuple[str, ...] = setting(
        ("mean",), help="how token features become one vector: max, mean, first, last, attention, or several"
    )
    transform: str = one_of(
        TRANSFORMS,
        default="none",
        help="what follows the pooling: nothing, or a linear layer of width D with this activation",
    )
    closed: bool = setting(False, help="end each window of a text longer than the window with </s>")
    causal: bool = setting(False, help="causal attention, as in a language model")
    word_dropout: float = fraction(0.0, help="share of training tokens replaced by <unk>")
    members: int = within(1, 1000, default=1, help="number of networks in the ensemble")

    def __post_init__(self):
        object.__setattr__(self, "pooling", tuple(self.pooling))  # a list, where it comes from a file
        super().__post_init__()
        check_pooling(self.pooling)


class Transform(nn.Module):
    """A linear layer and an activation, as in BERT between pooling and labels (Devlin et al. 2019)."""

    def __init__(self, inputs: int, width: int, *, activation: str):
        super().__init__()
        self.activation, self.linear = activation, Linear(inputs, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs] -> [B, width]"""
        x = self.linear(x)
        return x.tanh() if self.activation == "tanh" else activated(x, self.activation)


class TransformerClassifier(NeuralClassifier):
    body: TransformerStack

    def __init__(self, config: Config, *, vocab_size: int, labels: int):
        super().__init__()
        self.window, self.closed = config.window, config.closed
        self.batch_tokens = min(self.batch_tokens, config.inference_tokens)
        self.word_dropout, self._causal = config.word_dropout, config.causal
        self.body = TransformerStack(config, vocab_size=vocab_size)
        self.pooling = Pooling(config.pooling, config.width)
        self.dropout = Dropout(config.dropout)
        self.transform, width = None, self.pooling.width
        if config.transform != "none":
            self.transform, width = Transform(width, config.width, activation=config.transform), config.width
        self.head = Linear(width, labels)
        initialise(self, depth=config.layers)

    def all_states(self, tokens: Tensor) -> Tensor:
        """The states of all tokens, also of those that are not pooled: [B, T, D] of tokens int64 [B, T] without padding."""
        return self.body(tokens, real=None if self._causal else torch.ones_like(tokens, dtype=torch.bool))[0]

    def features(self, tokens: Tensor, real: Tensor) -> Tensor:
        x, _ = self.body(tokens, real=None if self._causal else real, queries=self.pooling.queries)
        x = self.pooling(x, real)
        return self.dropout(x if self.transform is None else self.transform(x))


def build(config: Config, *, vocab_size: int, labels: int) -> NeuralClassifier:
    return several(lambda: TransformerClassifier(config, vocab_size=vocab_size, labels=labels), config.members)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int, labels: int) -> NeuralClassifier:
    config = Config(**settings)
    return restored(lambda: build(config, vocab_size=vocab_size, labels=labels), named)
