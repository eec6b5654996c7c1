"""Transformer translator: an encoder reads the source, a decoder attends to it and to what it has said (Vaswani et al. 2017).

The original is norm_place="post", norm="layer", activation="relu", positions="sinusoidal", scaled=True, bias=True. The keys
and values of the source are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from seqcli.nn.initialise import initialise
from seqcli.nn.kv_cache import KVCache
from seqcli.nn.linear import Linear
from seqcli.nn.memory import Memory
from seqcli.nn.transformer import TransformerConfig, TransformerStack
from seqcli.nn.translator import NeuralTranslator
from seqcli.nn.weights import restored
from seqcli.ranges import setting, within

TASK = "translation"


@dataclass(frozen=True)
class Config(TransformerConfig):
    """Of both stacks; `layers` is the encoder's."""

    window: int = within(
        1, 1 << 20, default=512, help="longest stretch of tokens seen at once; longer texts are read in windows"
    )
    decoder_layers: int = within(0, 1 << 10, default=0, help="layers of the decoder (0: as many as the encoder)")
    tied: bool = setting(True, help="share the output matrix with the decoder's embedding")

    def __post_init__(self):
        super().__post_init__()
        if self.positions == "learned":
            raise ValueError(
                "learned positions are limited to the window, which translations may exceed; use rotary or sinusoidal ones"
            )


class Body(nn.Module):
    """joint: encoder and decoder share their embedding."""

    def __init__(self, config: Config, *, source_size: int, vocab_size: int, joint: bool):
        super().__init__()
        self.encoder = TransformerStack(config, vocab_size=source_size)
        self.decoder = TransformerStack(
            replace(config, layers=config.decoder_layers or config.layers), vocab_size=vocab_size, crossed=True,
            embedding=self.encoder.embedding if joint else None,
        )  # fmt: skip


class TransformerTranslator(NeuralTranslator):
    body: Body

    def __init__(self, config: Config, *, source_size: int, vocab_size: int, joint: bool):
        super().__init__()
        self.window = config.window
        self.body = Body(config, source_size=source_size, vocab_size=vocab_size, joint=joint)
        self.head = Linear(config.width, vocab_size, bias=False)
        initialise(self, depth=config.layers)
        if config.norm_place == "post":  # nothing scales residual sums down: begin as Glorot and Bengio (2010)
            for stack in (self.body.encoder, self.body.decoder):
                for part in stack.layers.modules():
                    if isinstance(part, nn.Linear):
                        nn.init.xavier_uniform_(part.weight)
        if config.scaled:
            for stack in (self.body.encoder, self.body.decoder):
                nn.init.normal_(stack.embedding.weight, std=1 / math.sqrt(config.width))
        if config.tied:
            self.head.weight = self.body.decoder.embedding.weight

    def remember(self, source: Tensor, real: Tensor) -> Memory:
        states, _ = self.body.encoder(source, real=real)
        return Memory(real, self.body.decoder.keys(states))

    def features(self, tokens: Tensor, memory: Memory, state: KVCache | None = None) -> tuple[Tensor, KVCache | None]:
        return self.body.decoder(tokens, state, memory=memory)

    def beginning(self, memory: Memory) -> KVCache:
        return self.body.decoder.beginning(memory.rows, products=self.products)


def build(config: Config, *, source_size: int, vocab_size: int, joint: bool) -> TransformerTranslator:
    return TransformerTranslator(config, source_size=source_size, vocab_size=vocab_size, joint=joint)


def load(
    settings: Mapping, named: Mapping[str, np.ndarray], *, source_size: int, vocab_size: int, joint: bool
) -> NeuralTranslator:
    config = Config(**settings)
    return restored(lambda: build(config, source_size=source_size, vocab_size=vocab_size, joint=joint), named)
