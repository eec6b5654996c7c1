"""Decoder-only Transformer language model: every token attends to itself and those before it.

Vaswani et al. (2017), Radford et al. (2019). Sees a fixed window of tokens; text beyond it is scored in overlapping
windows, and generation drops the oldest tokens by halves of the window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from seqcli.nn.attention import attended_in
from seqcli.nn.initialise import initialise
from seqcli.nn.kv_cache import KVCache
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.nn.linear import Linear
from seqcli.nn.positions import KINDS
from seqcli.nn.stack import ACTIVATIONS, NORMS, TransformerStack
from seqcli.nn.weights import restored

TASK = "language"
CAUSAL = True
_ACTIVATIONS = 1 << 22  # of a hidden layer when it is asked: what the cache holds, and the allocator keeps


@dataclass(frozen=True)
class Config:
    """width D, a multiple of heads; groups: heads of keys (0: as many as heads); hidden 0: 4 D, or 8/3 D for SwiGLU."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    groups: int = 0
    hidden: int = 0
    window: int = 256
    positions: str = "rotary"
    activation: str = "swiglu"
    norm: str = "rms"
    bias: bool = False
    dropout: float = 0.0
    tied: bool = True

    def __post_init__(self):
        if min(self.width, self.layers, self.heads, self.window) < 1 or max(self.width, self.window) > 1 << 20:
            raise ValueError("width, layers, heads and window must be positive, and not above a million")
        if self.width % self.heads or (self.groups and self.heads % self.groups):
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}, and heads of groups {self.groups}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"rotary positions need an even head width, got {self.width // self.heads}")
        for value, known in ((self.positions, KINDS), (self.activation, ACTIVATIONS), (self.norm, NORMS)):
            if value not in known:
                raise ValueError(f"{value!r} is not one of {', '.join(known)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")


class Transformer(NeuralLanguageModel):
    linear = True

    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        hidden = config.hidden or (round(config.width * 8 / 3 / 32) * 32 or 32 if config.activation == "swiglu" else 4 * config.width)
        self.window = config.window
        self.batch_tokens = max(256, min(self.batch_tokens, _ACTIVATIONS // hidden))
        self.body = TransformerStack(
            vocab_size=vocab_size, width=config.width, layers=config.layers, heads=config.heads,
            groups=config.groups or config.heads, hidden=hidden, window=config.window, positions=config.positions,
            activation=config.activation, norm_kind=config.norm, bias=config.bias, dropout=config.dropout,
        )  # fmt: skip
        self.head = Linear(config.width, vocab_size, bias=False)
        initialise(self, depth=config.layers)
        if config.tied:
            self.head.weight = self.body.embedding.weight

    def features(self, tokens: Tensor, state: KVCache | None = None) -> tuple[Tensor, KVCache | None]:
        return self.body(tokens, state)

    def beginning(self, rows: int) -> KVCache:
        body, device = self.body, self.device
        return KVCache.empty(
            rows, layers=len(body.layers), groups=body.groups, width=body.head_width,
            dtype=attended_in(self.products, device=device), device=device,
        )  # fmt: skip

    def read(self, tokens: Tensor, state: KVCache) -> tuple[Tensor, KVCache]:
        """In steps of at most half a window; before a window is full, its later half is read again as a new one."""
        half = max(1, self.window // 2)
        for part in tokens.split(half, dim=1):
            if state.longest + part.shape[1] > self.window:
                kept = min(int(state.lengths.min()), half)
                _, state = self.features(state.last(kept), self.beginning(len(tokens)))
            features, state = self.features(part, state)
        return features, state


def build(config: Config, *, vocab_size: int) -> Transformer:
    return Transformer(config, vocab_size=vocab_size)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int) -> NeuralLanguageModel:
    config = Config(**settings)
    return restored(lambda: build(config, vocab_size=vocab_size), named)
