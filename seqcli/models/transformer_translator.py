"""Transformer translator: an encoder reads the source, and a decoder attends to it and to the translation so far (Vaswani et
al. 2017).

The original has norm_place="post", norm="layer", activation="relu", positions="sinusoidal", scaled=True, bias=True. Keys
and values of the source are computed once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from seqcli.nn.kv_cache import KVCache
from seqcli.nn.linear import Linear
from seqcli.nn.transformer import TransformerConfig, TransformerStack
from seqcli.nn.translator import Memory, NeuralTranslator
from seqcli.nn.weights import initialise, restored
from seqcli.ranges import each, setting, within
from seqcli.text import BOS_ID, UNK_ID

TASK = "translation"


@dataclass(frozen=True)
class Config(TransformerConfig):
    """Settings of both stacks; `layers`, `heads` and `hidden` are the encoder's unless the decoder has its own."""

    window: int = within(
        1, 1 << 20, default=512, help="maximum number of tokens read at once; longer texts are read in windows"
    )
    decoder_layers: int = within(0, 1 << 10, default=0, help="layers of the decoder (0: as many as the encoder)")
    decoder_heads: int = within(
        0, 1 << 10, default=0, help="attention heads of the decoder (0: as many as the encoder)"
    )
    decoder_hidden: int = within(
        0, 1 << 18, default=0, help="width inside the decoder's feed-forward networks (0: as the encoder's)"
    )
    tied: bool = setting(True, help="share the output matrix with the decoder's embedding")
    joint: bool = setting(False, help="share the embedding of two tokenizers that have one vocabulary")
    head_bias: bool = setting(False, help="a bias for each token of the output")
    impossible: tuple[int, ...] = each(0, 1 << 31, default=(BOS_ID,), help="tokens that are never predicted")
    suppress_tokens: tuple[int, ...] = each(
        0, 1 << 31, default=(UNK_ID,), help="tokens that have a probability but are never generated"
    )

    def __post_init__(self):
        for name in ("impossible", "suppress_tokens"):  # lists, where they come from a file
            object.__setattr__(self, name, tuple(getattr(self, name)))
        super().__post_init__()
        if self.positions == "learned":
            raise ValueError(
                "learned positions are limited to the window, which translations may exceed; use rotary or sinusoidal ones"
            )

    @property
    def of_decoder(self) -> Config:
        """The settings of the decoder stack."""
        return replace(
            self, layers=self.decoder_layers or self.layers, heads=self.decoder_heads or self.heads,
            hidden=self.decoder_hidden or self.hidden,
        )  # fmt: skip

    @property
    def resolved(self) -> dict[str, Any]:
        decoder = self.of_decoder
        own = {"decoder_layers": decoder.layers, "decoder_heads": decoder.heads, "decoder_hidden": decoder.inner}
        return super().resolved | own


class Body(nn.Module):
    """Encoder and decoder. joint: they share their embedding."""

    def __init__(self, config: Config, *, source_size: int, vocab_size: int, joint: bool):
        super().__init__()
        self.encoder = TransformerStack(config, vocab_size=source_size)
        self.decoder = TransformerStack(
            config.of_decoder, vocab_size=vocab_size, crossed=True,
            embedding=self.encoder.embedding if joint else None,
        )  # fmt: skip


class TransformerTranslator(NeuralTranslator):
    body: Body

    def __init__(self, config: Config, *, source_size: int, vocab_size: int, joint: bool):
        super().__init__()
        joint = joint or config.joint
        if joint and source_size != vocab_size:
            raise ValueError(f"a joint embedding of {source_size:,} and {vocab_size:,} tokens")
        if max((*config.impossible, *config.suppress_tokens), default=0) >= vocab_size:
            raise ValueError(f"impossible or suppressed tokens beyond {vocab_size:,}")
        self.window, self.impossible, self.suppress_tokens = config.window, config.impossible, config.suppress_tokens
        self.body = Body(config, source_size=source_size, vocab_size=vocab_size, joint=joint)
        self.head = Linear(config.width, vocab_size, bias=config.head_bias)
        initialise(self, depth=config.layers)
        if config.norm_place == "post":  # residual sums are not scaled, so initialise as Glorot and Bengio (2010)
            for stack in (self.body.encoder, self.body.decoder):
                for part in stack.layers.modules():
                    if isinstance(part, nn.Linear):
                        nn.init.xavier_uniform_(part.weight)
        if config.scaled:
            for stack in (self.body.encoder, self.body.decoder):
                nn.init.normal_(stack.embedding.weight, std=1 / math.sqrt(config.width))
        if config.tied:
            self.head.weight = self.body.decoder.embedding.weight

    def states(self, source: Tensor, real: Tensor) -> Tensor:
        return self.body.encoder(source, real=real)[0]

    def remember(self, source: Tensor, real: Tensor) -> Memory:
        return Memory(real, self.body.decoder.keys(self.states(source, real)))

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
