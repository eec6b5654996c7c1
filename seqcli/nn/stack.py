"""A stack of causal Transformer layers: attention and a feed-forward network, each around a residual connection.

Pre-norm (Xiong et al. 2020); GELU, or SwiGLU (Shazeer 2020); LayerNorm, or RMSNorm (Zhang and Sennrich 2019).
GPT-2 is norm="layer", bias=True, activation="gelu", positions="learned".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.attention import SelfAttention
from seqcli.nn.kv_cache import KVCache
from seqcli.nn.linear import Linear
from seqcli.nn.positions import Sinusoids, turns

NORMS = ("rms", "layer")
ACTIVATIONS = ("swiglu", "gelu", "relu2")


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
    """Token embeddings, positions, `layers` layers and a last norm: tokens [B, T] to features [B, T, D]."""

    def __init__(
        self, *, vocab_size: int, width: int, layers: int, heads: int, groups: int, hidden: int, window: int,
        positions: str, activation: str, norm_kind: str, bias: bool, dropout: float,
    ):  # fmt: skip
        super().__init__()
        self.heads, self.groups, self.head_width, self.window = heads, groups, width // heads, window
        self.rotary = positions == "rotary"
        self.embedding = nn.Embedding(vocab_size, width)
        if positions == "learned":
            self.positions = nn.Embedding(window, width)
        elif positions == "sinusoidal":
            self.positions = Sinusoids(width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            Layer(width=width, heads=heads, groups=groups, hidden=hidden, activation=activation, norm_kind=norm_kind,
                  bias=bias, dropout=dropout)
            for _ in range(layers)
        )  # fmt: skip
        self.norm = norm(norm_kind, width, bias=bias)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> tuple[Tensor, KVCache | None]:
        """tokens int64 [B, T] -> [B, T, D]; with a cache, tokens follow what it holds, and it is written."""
        if cache is None:
            mask, place = None, torch.arange(tokens.shape[1], device=tokens.device)[None]
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
