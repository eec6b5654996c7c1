"""Multi-head attention (Vaswani et al. 2017, section 3.2): self-attention, with grouped key-value heads (Ainslie et al. 2023), and
cross-attention to the memory of a source.

Uses PyTorch's fused scaled dot-product attention, except for training on the CPU in bfloat16 or with dropout.

Layers record their attention while a `recorded` context is open:

    with recorded(SELF) as layers:
        model.features(tokens)
    layers[0].weights()  # of the first layer: float [B, H, T, S]

Recording does not change results: weights that fused kernels do not return are computed in addition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.kv_cache import KVCache
from seqcli.nn.layers import dropout
from seqcli.nn.linear import Linear
from seqcli.nn.positions import rotate

if TYPE_CHECKING:
    from seqcli.nn.translator import Memory

SELF = "self"  # self-attention: `Projected`
CROSS = "cross"  # cross-attention weights: float [B, H, T, S], rows over S sum to 1
CROSS_PROJECTED = "cross projected"  # cross-attention of a Transformer: `Projected`

_OPEN: ContextVar[Mapping[str, list[Any]]] = ContextVar("open", default=MappingProxyType({}))


@contextmanager
def recorded(kind: str) -> Iterator[list[Any]]:
    """A context that collects the values of this kind, in order."""
    added: list[Any] = []
    token = _OPEN.set({**_OPEN.get(), kind: added})
    try:
        yield added
    finally:
        _OPEN.reset(token)


def is_recorded(kind: str) -> bool:
    return kind in _OPEN.get()


def record(kind: str, value: Any) -> None:
    _OPEN.get()[kind].append(value)


def attended_in(products: torch.dtype, *, device: torch.device) -> torch.dtype:
    """The dtype of queries, keys and values. On a CPU, PyTorch's fused attention is 4 to 14 times slower in bfloat16
    for a single row."""
    return torch.float32 if device.type == "cpu" else products


class SelfAttention(nn.Module):
    """Causal or bidirectional self-attention of width D in `heads` of width K = `head_width`; `groups` is the number of
    key and value heads, which query heads share. bias: of queries, keys and values."""

    def __init__(
        self, width: int, heads: int, *, groups: int, head_width: int, bias: bool, out_bias: bool, dropout: float
    ):
        super().__init__()
        self.heads, self.groups, self.head_width, self.dropout = heads, groups, head_width, dropout
        self.qkv = Linear(width, (heads + 2 * groups) * head_width, bias=bias)
        self.out = Linear(heads * head_width, width, bias=out_bias)

    def forward(
        self, x: Tensor, *, turn: tuple[Tensor, Tensor] | None, cache: KVCache | None, mask: Tensor | None, layer: int,
        queries: int | None = None,
    ) -> Tensor:  # fmt: skip
        """x [B, T, D] -> [B, T, D]. turn: rotary positions of these tokens; cache: keys and values of earlier tokens;
        mask: bool [B or 1, 1, T, S], None for a causal mask; queries: return the features of only so many tokens, the first."""
        rows, count, _ = x.shape
        qkv = self.qkv(x)
        if not self.training:
            qkv = qkv.to(attended_in(qkv.dtype, device=x.device))
        qkv = qkv.view(rows, count, self.heads + 2 * self.groups, self.head_width)
        qk, v = qkv.split([self.heads + self.groups, self.groups], dim=2)
        if turn is not None:
            qk = rotate(qk, *turn)
        q, k = qk.split([self.heads, self.groups], dim=2)  # [B, T, H, K], [B, T, G, K]
        if cache is not None:
            k, v = cache.add(layer, k, v)  # [B, S, G, K]
            q = q.reshape(len(k), -1, self.heads, self.head_width)  # rows that share keys are merged
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        causal = mask is None and count > 1
        if is_recorded(SELF):
            record(SELF, Projected(q, k, v, mask, causal))
        if queries is not None:
            q = q[:, :, :queries]
            count = q.shape[2]
        y = attend(q, k, v, mask=mask, causal=causal, dropped=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(rows, count, self.heads * self.head_width))


class CrossAttention(nn.Module):
    """Attention of target tokens to the states of their source."""

    def __init__(self, width: int, heads: int, *, bias: bool, dropout: float):
        super().__init__()
        self.heads, self.head_width, self.dropout = heads, width // heads, dropout
        self.q = Linear(width, width, bias=bias)
        self.kv = Linear(width, 2 * width, bias=bias)
        self.out = Linear(width, width, bias=bias)

    def keys(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of states [B, S, D], [B, H, S, K] each, computed once for all target tokens."""
        kv = self.kv(states)
        if not self.training:
            kv = kv.to(attended_in(kv.dtype, device=kv.device))
        kv = kv.unflatten(-1, (2, self.heads, self.head_width)).permute(2, 0, 3, 1, 4)
        return kv[0], kv[1]

    def forward(self, x: Tensor, memory: Memory, *, layer: int) -> Tensor:
        """x [B, T, D] -> [B, T, D]; `memory.each` consecutive rows have the same source."""
        rows, count, width = x.shape
        k, v = memory.keys[layer]
        q = self.q(x).to(k.dtype).view(len(k), memory.each * count, self.heads, self.head_width).transpose(1, 2)
        mask = memory.real[:, None, None]  # [B, 1, 1, S]
        if is_recorded(CROSS):
            record(CROSS, Projected(q, k, v, mask, causal=False).weights())
        if is_recorded(CROSS_PROJECTED):
            record(CROSS_PROJECTED, Projected(q, k, v, mask, causal=False))
        y = attend(q, k, v, mask=mask, causal=False, dropped=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(rows, count, width))


class Projected(NamedTuple):
    """The arguments of `attend`, from which the attention weights can be computed: q [B, H, T, K], k and v [B, G, S, K]; mask:
    bool [B or 1, 1, 1 or T, S], None if all keys are attended to; causal: query t attends to keys 0 to t."""

    q: Tensor
    k: Tensor
    v: Tensor
    mask: Tensor | None
    causal: bool

    def dots(self, queries: slice = slice(None)) -> Tensor:
        """q . k of some of the queries: float [B, H, T, S]."""
        k = self.k.repeat_interleave(self.q.shape[1] // self.k.shape[1], dim=1)
        return self.q[:, :, queries].float() @ k.float().mT

    def weights(self, queries: slice = slice(None)) -> Tensor:
        """softmax(q k^T / sqrt(K)) of some of the queries: float [B, H, T, S], rows sum to 1."""
        scores = self.dots(queries) * self.q.shape[-1] ** -0.5
        mask = self.mask
        if self.causal:
            places = torch.arange(self.q.shape[2], device=scores.device)[queries]
            mask = torch.arange(self.k.shape[2], device=scores.device) <= places[:, None]
        elif mask is not None and mask.shape[-2] > 1:
            mask = mask[:, :, queries]
        return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1)


def attend(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, dropped: float) -> Tensor:
    """softmax(q k^T / sqrt(K)) v: q [B, H, T, K], k and v [B, G, S, K] -> [B, H, T, K]. dropped: dropout probability
    of the attention weights."""
    if q.device.type == "cpu" and q.requires_grad and (dropped or q.dtype == torch.bfloat16):
        return _by_products(q, k, v, mask=mask, causal=causal, dropped=dropped)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal, dropout_p=dropped, enable_gqa=k.shape[1] != q.shape[1]
    )


def _by_products(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, dropped: float) -> Tensor:
    """`attend` as matrix products, for training on a CPU in bfloat16, where the fused kernel's backward pass takes 2
    to 15 times as long, and with dropout, for which PyTorch has no fused kernel there."""
    k, v = (each.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for each in (k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.mT  # [B, H, T, S]
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -torch.inf)
    return dropout(scores.softmax(-1), dropped) @ v
