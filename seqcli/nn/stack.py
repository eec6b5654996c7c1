"""A stack of Transformer layers, causal or not: attention and a feed-forward network, each around a residual connection.

Pre-norm (Xiong et al. 2020); GELU, or SwiGLU (Shazeer 2020); LayerNorm, or RMSNorm (Zhang and Sennrich 2019).
GPT-2 is norm="layer", bias=True, activation="gelu", positions="learned".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.attention import SelfAttention
from seqcli.nn.kv_cache import KVCache
from seqcli.nn.linear import Linear
from seqcli.nn.positions import KINDS as POSITIONS
from seqcli.nn.positions import Sinusoids, turns

NORMS = ("rms", "layer")
ACTIVATIONS = ("swiglu", "gelu", "relu2")


@dataclass(frozen=True)
class Shape:
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

    def __post_init__(self):
        if min(self.width, self.layers, self.heads, self.window) < 1 or max(self.width, self.window) > 1 << 20:
            raise ValueError("width, layers, heads and window must be positive, and not above a million")
        if self.width % self.heads or (self.groups and self.heads % self.groups):
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}, and heads of groups {self.groups}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"rotary positions need an even head width, got {self.width // self.heads}")
        for value, known in ((self.positions, POSITIONS), (self.activation, ACTIVATIONS), (self.norm, NORMS)):
            if value not in known:
                raise ValueError(f"{value!r} is not one of {', '.join(known)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")

    @property
    def inner(self) -> int:
        """The width inside the feed-forward networks."""
        if self.hidden or self.activation != "swiglu":
            return self.hidden or 4 * self.width
        return round(self.width * 8 / 3 / 32) * 32 or 32


class FeedForward(nn.Module):
    """Two matrix products with an activation between them; SwiGLU multiplies by a gate."""

    def __init__(self, width: int, hidden: int, *, activation: str, bias: bool):
        super().__init__()
        self.activation = activation
        self.up = Linear(width, hidden * (2 if activation == "swiglu" else 1), bias=bias)
        self.out = Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]"""
        x = self.up(x)
        if self.activation == "swiglu":
            gate, x = x.chunk(2, dim=-1)
            return self.out(F.silu(gate) * x)
        return self.out(F.gelu(x, approximate="tanh") if self.activation == "gelu" else F.relu(x).square())


def norm(kind: str, width: int, *, bias: bool) -> nn.Module:
    return nn.RMSNorm(width, eps=1e-6) if kind == "rms" else nn.LayerNorm(width, bias=bias)


class Layer(nn.Module):
    def __init__(self, *, width, heads, groups, hidden, activation, norm_kind, bias, dropout):
        super().__init__()
        self.attention_norm = norm(norm_kind, width, bias=bias)
        self.attention = SelfAttention(width, heads, groups=groups, bias=bias, dropout=dropout)
        self.feedforward_norm = norm(norm_kind, width, bias=bias)
        self.feedforward = FeedForward(width, hidden, activation=activation, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, **attending) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), **attending))
        return x + self.dropout(self.feedforward(self.feedforward_norm(x)))


class TransformerStack(nn.Module):
    """Token embeddings, positions, `layers` layers and a last norm: tokens [B, T] to features [B, T, D].

    A decoder's tokens see themselves and those before them; an encoder's, where `real` is given, all real ones.
    """

    def __init__(self, shape: Shape, *, vocab_size: int):
        super().__init__()
        self.heads, self.groups = shape.heads, shape.groups or shape.heads
        self.head_width, self.window = shape.width // shape.heads, shape.window
        self.rotary = shape.positions == "rotary"
        self.embedding = nn.Embedding(vocab_size, shape.width)
        if shape.positions == "learned":
            self.positions = nn.Embedding(shape.window, shape.width)
        elif shape.positions == "sinusoidal":
            self.positions = Sinusoids(shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(
            Layer(width=shape.width, heads=shape.heads, groups=self.groups, hidden=shape.inner, activation=shape.activation,
                  norm_kind=shape.norm, bias=shape.bias, dropout=shape.dropout)
            for _ in range(shape.layers)
        )  # fmt: skip
        self.norm = norm(shape.norm, shape.width, bias=shape.bias)

    def forward(
        self, tokens: Tensor, cache: KVCache | None = None, *, real: Tensor | None = None
    ) -> tuple[Tensor, KVCache | None]:
        """tokens int64 [B, T] -> [B, T, D]; with a cache, tokens follow what it holds, and it is written.

        real: bool [B, T], the tokens that all tokens see.
        """
        if cache is None:
            mask = None if real is None else real[:, None, None]  # [B, 1, 1, T]
            place = torch.arange(tokens.shape[1], device=tokens.device)[None]
        else:
            cache = cache.after(tokens)
            mask, place = cache.mask(), cache.positions  # [B or 1, T]
        x, turn = self.embedding(tokens), None
        if self.rotary:
            turn = tuple(each[:, :, None] for each in turns(place, self.head_width))  # [B or 1, T, 1, K]
        else:
            x = x + self.positions(place)
        x = self.dropout(x)
        for index, layer in enumerate(self.layers):
            x = layer(x, turn=turn, cache=cache, mask=mask, layer=index)
        return self.norm(x), cache
