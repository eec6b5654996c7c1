"""Transformer encoder without a head: text vectors, pooled from the final states of the tokens (Reimers and Gurevych 2019).

Such models are not trained by seqcli; a classifier may be initialised with their body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from seqcli.nn.encoder import NeuralEncoder
from seqcli.nn.layers import Pooling, check_pooling
from seqcli.nn.transformer import TransformerConfig, TransformerStack
from seqcli.nn.weights import restored
from seqcli.ranges import setting, within

TASK = "embeddings"


@dataclass(frozen=True)
class Config(TransformerConfig):
    """Settings of the stack and the pooling."""

    longest: int = within(
        0, 1 << 20, default=0, help="tokens of a text that are read at once, at most the window (0: the window)"
    )
    pooling: tuple[str, ...] = setting(
        ("mean",), help="how token features become one vector: max, mean, first, last, or several"
    )
    normalised: bool = setting(False, help="normalize the vectors to length 1")
    closed: bool = setting(False, help="end each window of a longer text with </s>")

    def __post_init__(self):
        object.__setattr__(self, "pooling", tuple(self.pooling))  # a list, where it comes from a file
        super().__post_init__()
        check_pooling(self.pooling)
        if min(self.longest or self.window, self.window) < 3:
            raise ValueError("a window of at least 3 tokens is needed: <s>, a token and </s>")


class TransformerEncoder(NeuralEncoder):
    body: TransformerStack

    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        self.window = min(config.longest or config.window, config.window)
        self.batch_tokens = min(self.batch_tokens, config.inference_tokens)
        self.closed, self.normalised = config.closed, config.normalised
        self.body = TransformerStack(config, vocab_size=vocab_size)
        self.pooling = Pooling(config.pooling, config.width)

    @property
    def held(self) -> bool:
        return self.body.layers[0].feedforward.out.held

    def features(self, tokens: Tensor, real: Tensor) -> Tensor:
        return self.pooling(self.body(tokens, real=real, queries=self.pooling.queries)[0], real)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int) -> TransformerEncoder:
    config = Config(**settings)
    return restored(lambda: TransformerEncoder(config, vocab_size=vocab_size), named)
