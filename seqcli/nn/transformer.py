"""A stack of Transformer layers, causal or not: attention and a feed-forward network, each around a residual connection.

With a memory, cross-attention to the states of a source is between them. Pre-norm (Xiong et al. 2020) or post-norm (Vaswani et al.
2017); GELU or SwiGLU (Shazeer 2020); LayerNorm or RMSNorm (Zhang and Sennrich 2019). GPT-2 is norm="layer", bias=True,
activation="gelu", positions="learned"; BERT also has norm_place="post", activation="gelu_exact", embedding_norm=True, token_types=2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.attention import CrossAttention, SelfAttention, attended_in
from seqcli.nn.kv_cache import KVCache
from seqcli.nn.layers import Dropout, Modules
from seqcli.nn.linear import Linear
from seqcli.nn.positions import KINDS as POSITIONS
from seqcli.nn.positions import SCALINGS, Rotary, Sinusoids, turns
from seqcli.ranges import check, fraction, one_of, setting, within

if TYPE_CHECKING:
    from seqcli.nn.translator import Memory

NORMS = ("rms", "layer")
NORM_PLACES = ("pre", "post")
ACTIVATIONS = ("swiglu", "gelu", "gelu_exact", "silu", "relu2", "relu")
BIASES = ("as_bias", "qkv", "all")
_ACTIVATIONS = 1 << 22  # of a hidden layer at a time in inference: what the cache holds, and the allocator keeps
_EPSILON = {"rms": 1e-6, "layer": 1e-5}


@dataclass(frozen=True)
class TransformerConfig:
    """Settings of a stack of Transformer layers."""

    width: int = within(1, 1 << 16, default=128, help="model width D, a multiple of heads")
    layers: int = within(1, 1 << 10, default=4, help="number of layers")
    heads: int = within(1, 1 << 10, default=4, help="attention heads")
    groups: int = within(0, 1 << 10, default=0, help="key-value heads (0: one per query head)")
    hidden: int = within(0, 1 << 18, default=0, help="width inside the feed-forward networks (0: 4 D; swiglu: 8/3 D)")
    window: int = within(
        1, 1 << 20, default=256, help="maximum number of tokens read at once; longer texts are read in windows"
    )
    positions: str = one_of(POSITIONS, default="rotary", help="position encoding")
    activation: str = one_of(ACTIVATIONS, default="swiglu", help="activation of the feed-forward networks")
    norm: str = one_of(NORMS, default="rms", help="RMSNorm or LayerNorm")
    norm_place: str = one_of(
        NORM_PLACES, default="pre", help="normalise before each sublayer, or after its residual sum"
    )
    scaled: bool = setting(False, help="multiply embeddings by sqrt(D)")
    bias: bool = setting(False, help="biases in the linear layers")
    dropout: float = fraction(0.0, help="dropout probability")
    # Settings of pretrained models
    head_width: int = within(0, 1 << 12, default=0, help="width of a head (0: width / heads)")
    attention_bias: str = one_of(
        BIASES,
        default="as_bias",
        help="biases in attention: as set by `bias`, in the queries, keys and values only, or in all projections",
    )
    epsilon: float = within(
        0, 1, default=0.0, help="epsilon that the norms add to the variance (0: 1e-6 for rms, 1e-5 for layer)"
    )
    embedding_width: int = within(0, 1 << 16, default=0, help="width of the token embeddings (0: width D)")
    embedding_norm: bool = setting(False, help="LayerNorm after the embeddings")
    token_types: int = within(0, 1 << 10, default=0, help="number of segment embeddings; all tokens use the first")
    first_position: int = within(0, 1 << 10, default=0, help="index of the first learned position")
    rotary_base: float = within(1, 1e12, default=10000.0, help="base of the rotary frequencies")
    rotary_scaling: str = one_of(SCALINGS, default="none", help="scaling of the rotary frequencies")
    rotary_factor: float = within(1, 1e6, default=1.0, help="factor by which the frequencies are divided")
    rotary_low: float = within(
        1e-6, 1e6, default=1.0, help="rotations within rotary_window below which a frequency is fully scaled (llama3)"
    )
    rotary_high: float = within(
        1e-6, 1e6, default=4.0, help="rotations within rotary_window above which a frequency is not scaled (llama3)"
    )
    rotary_window: int = within(0, 1 << 24, default=0, help="window that the model was first trained with (llama3)")

    def __post_init__(self):
        check(self)
        if self.width % self.heads and not self.head_width:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        if self.groups and self.heads % self.groups:
            raise ValueError(f"heads {self.heads} must be a multiple of groups {self.groups}")
        if self.positions == "rotary" and self.each_head % 2:
            given = "head_width" if self.head_width else f"width {self.width} / heads {self.heads}"
            cure = "an even head_width" if self.head_width else f"a multiple of {2 * self.heads} as width"
            raise ValueError(f"rotary positions need an even head width, got {given} = {self.each_head}; use {cure}")
        if self.positions == "sinusoidal" and self.width % 2:
            raise ValueError(f"sinusoidal positions need an even width, got width {self.width}; use an even width")
        if self.rotary_scaling == "llama3" and not (self.rotary_window and self.rotary_low < self.rotary_high):
            raise ValueError("rotary_scaling llama3 needs a rotary_window, and a rotary_low below rotary_high")

    @property
    def each_head(self) -> int:
        """Width K of a head."""
        return self.head_width or self.width // self.heads

    @property
    def rotary(self) -> Rotary:
        """The frequencies of rotary positions."""
        low, high = self.rotary_low, self.rotary_high
        return Rotary(self.rotary_base, self.rotary_scaling, self.rotary_factor, low, high, self.rotary_window)

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward networks."""
        if self.hidden or self.activation != "swiglu":
            return self.hidden or 4 * self.width
        return round(self.width * 8 / 3 / 32) * 32 or 32

    @property
    def inference_tokens(self) -> int:
        """Tokens per pass in inference: long passes fall out of the cache, and rows of different lengths are padded more."""
        return max(256, _ACTIVATIONS // self.inner)

    @property
    def resolved(self) -> dict[str, Any]:
        """All settings, with each 0 replaced by the value it stands for, except embedding_width for embeddings of width D."""
        return asdict(self) | {
            "groups": self.groups or self.heads,
            "head_width": self.each_head,
            "hidden": self.inner,
            "epsilon": self.epsilon or _EPSILON[self.norm],
            "embedding_width": 0 if self.embedding_width == self.width else self.embedding_width,
        }


class FeedForward(nn.Module):
    """Two matrix products with an activation between them, with a gate in SwiGLU."""

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
        return self.out(activated(x, self.activation))


def activated(x: Tensor, activation: str) -> Tensor:
    """gelu is the tanh approximation (Hendrycks and Gimpel 2016), as in GPT-2; gelu_exact is as in BERT."""
    if activation in ("gelu", "gelu_exact"):
        return F.gelu(x, approximate="tanh" if activation == "gelu" else "none")
    if activation == "silu":
        return F.silu(x)
    return F.relu(x) if activation == "relu" else F.relu(x).square()


def norm(shape: TransformerConfig, *, width: int = 0) -> nn.Module:
    """width: other than D."""
    epsilon = shape.epsilon or _EPSILON[shape.norm]
    if shape.norm == "rms":
        return nn.RMSNorm(width or shape.width, eps=epsilon)
    return nn.LayerNorm(width or shape.width, eps=epsilon, bias=shape.bias)


class Layer(nn.Module):
    """A Transformer layer. crossed: whether it also attends to a memory."""

    def __init__(self, shape: TransformerConfig, *, crossed: bool):
        super().__init__()
        width, bias = shape.width, shape.bias
        self.post = shape.norm_place == "post"
        self.attention_norm = norm(shape)
        self.attention = SelfAttention(
            width, shape.heads, groups=shape.groups or shape.heads, head_width=shape.each_head, dropout=shape.dropout,
            bias=bias or shape.attention_bias != "as_bias", out_bias=bias or shape.attention_bias == "all",
        )  # fmt: skip
        if crossed:
            self.cross_norm = norm(shape)
            self.cross = CrossAttention(width, shape.heads, bias=bias, dropout=shape.dropout)
        self.feedforward_norm = norm(shape)
        self.feedforward = FeedForward(width, shape.inner, activation=shape.activation, bias=bias)
        self.dropout = Dropout(shape.dropout)

    def forward(
        self, x: Tensor, *, memory: Memory | None, layer: int, queries: int | None = None, **attending
    ) -> Tensor:
        """queries: return the features of only so many tokens, the first."""

        def attention(x: Tensor) -> Tensor:
            return self.attention(x, layer=layer, queries=queries, **attending)

        x = self._around(x, self.attention_norm, attention, queries=queries)
        if memory is not None:
            x = self._around(x, self.cross_norm, lambda x: self.cross(x, memory, layer=layer))
        return self._around(x, self.feedforward_norm, self.feedforward)

    def _around(
        self, x: Tensor, norm: nn.Module, sublayer: Callable[[Tensor], Tensor], *, queries: int | None = None
    ) -> Tensor:
        kept = x[:, :queries]
        if self.post:
            return norm(kept + self.dropout(sublayer(x)))
        return kept + self.dropout(sublayer(norm(x)))


class TransformerStack(nn.Module):
    """Token embeddings, positions, `layers` layers and a final norm: tokens [B, T] to features [B, T, D]. Tokens of a
    decoder attend to themselves and earlier tokens, and to a memory if `crossed`; those of an encoder, if `real`
    is given, to all real tokens. embedding: shared with another stack, if given."""

    def __init__(
        self, shape: TransformerConfig, *, vocab_size: int, crossed: bool = False, embedding: nn.Embedding | None = None
    ):
        super().__init__()
        self.heads, self.groups = shape.heads, shape.groups or shape.heads
        self.head_width, self.window = shape.each_head, shape.window
        self.rotary = shape.rotary if shape.positions == "rotary" else None
        self.scale = math.sqrt(shape.width) if shape.scaled else 1.0
        width = shape.embedding_width or shape.width
        self.embedding = embedding or nn.Embedding(vocab_size, width)
        self.first_position = shape.first_position
        if not self.rotary:
            learned = shape.positions == "learned"
            self.positions = nn.Embedding(shape.window + shape.first_position, width) if learned else Sinusoids(width)
        self.token_types = nn.Embedding(shape.token_types, width) if shape.token_types else None
        self.embedding_norm = norm(shape, width=width) if shape.embedding_norm else None
        self.widen = Linear(width, shape.width) if width != shape.width else None
        self.dropout = Dropout(shape.dropout)
        self.layers: Modules[Layer] = Modules(Layer(shape, crossed=crossed) for _ in range(shape.layers))
        self.norm = nn.Identity() if shape.norm_place == "post" else norm(shape)

    def forward(
        self, tokens: Tensor, cache: KVCache | None = None, *, real: Tensor | None = None, memory: Memory | None = None,
        masked: tuple[Tensor, Tensor] | None = None, queries: int | None = None,
    ) -> tuple[Tensor, KVCache | None]:  # fmt: skip
        """tokens int64 [B, T] -> [B, T, D]; with a cache, the tokens follow those in it, and it is updated.

        real: bool [B, T], the tokens that are attended to; memory: of the sources, B rows; masked: bool [B, T], the masked tokens,
        and the embedding [D] of the mask; queries: return the features of only so many tokens, the first, so that the last layer does
        nothing for the others.
        """
        if cache is None:
            mask = None if real is None else real[:, None, None]  # [B, 1, 1, T]
            place = torch.arange(tokens.shape[1], device=tokens.device)[None]
        else:
            cache = cache.after(tokens)
            mask, place = cache.mask(), cache.positions  # [B or 1, T]
        x, turn = self._embedded(tokens, place, masked), None
        if self.rotary:
            turn = tuple(
                each[:, :, None] for each in turns(place, self.head_width, rotary=self.rotary)
            )  # [B or 1, T, 1, K]
        for index, layer in enumerate(self.layers):
            kept = queries if index == len(self.layers) - 1 else None
            x = layer(x, turn=turn, cache=cache, mask=mask, memory=memory, layer=index, queries=kept)
        return self.norm(x), cache

    def _embedded(self, tokens: Tensor, place: Tensor, masked: tuple[Tensor, Tensor] | None) -> Tensor:
        """[B, T, D]"""
        x = self.embedding(tokens)
        if masked is not None:
            x = torch.where(masked[0][..., None], masked[1].to(x.dtype), x)
        if self.scale != 1:
            x = x * self.scale
        if not self.rotary:
            x = x + self.positions(place + self.first_position)
        if self.token_types is not None:
            x = x + self.token_types.weight[0]
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        x = self.dropout(x)
        return x if self.widen is None else self.widen(x)

    def beginning(self, rows: int, *, products: torch.dtype) -> KVCache:
        """An empty cache of that many rows. products: dtype of the keys and values."""
        device = self.embedding.weight.device
        return KVCache.empty(
            rows, layers=len(self.layers), groups=self.groups, width=self.head_width,
            dtype=attended_in(products, device=device), device=device,
        )  # fmt: skip

    def keys(self, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of states [B, S, D] for every layer with cross-attention."""
        return [layer.cross.keys(states) for layer in self.layers]
