"""Multi-head self-attention (Vaswani et al. 2017, section 3.2), heads of keys shared in groups (Ainslie et al. 2023).

Computed by PyTorch's fused scaled dot-product attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.kv_cache import KVCache
from seqcli.nn.positions import rotate


class SelfAttention(nn.Module):
    """width D in `heads` of K = D / heads; `groups` heads of keys and values (heads of queries share them)."""

    def __init__(self, width: int, heads: int, *, groups: int, bias: bool, dropout: float):
        super().__init__()
        self.heads, self.groups, self.head_width, self.dropout = heads, groups, width // heads, dropout
        self.qkv = nn.Linear(width, (heads + 2 * groups) * self.head_width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, *, angle: Tensor | None, cache: KVCache | None, layer: int) -> Tensor:
        """x [B, T, D] -> [B, T, D]. angle: rotary angles of these tokens; cache: of what was read before."""
        rows, count, width = x.shape
        qkv = self.qkv(x).view(rows, count, self.heads + 2 * self.groups, self.head_width).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.groups, self.groups], dim=1)  # [B, H, T, K], [B, G, T, K] twice
        if angle is not None:
            q, k = rotate(q, angle), rotate(k, angle)
        mask, causal = None, count > 1
        if cache is not None:
            mask, causal = _mask(cache, count, device=x.device), count > 1 and int(cache.lengths.max()) == 0
            k, v = cache.write(layer, k, v)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=None if causal else mask, dropout_p=dropout, is_causal=causal, enable_gqa=self.groups != self.heads
        )
        return self.out(y.transpose(1, 2).reshape(rows, count, width))


def _mask(cache: KVCache, count: int, *, device: torch.device) -> Tensor | None:
    """bool [B, 1, T, S]: token t of row b sees the first lengths[b] + t + 1 positions. None where that is all of them."""
    if cache.even and count == 1:
        return None
    seen = cache.lengths[:, None] + torch.arange(1, count + 1)  # [B, T]
    positions = torch.arange(int(cache.lengths.max()) + count)
    return (positions < seen[:, :, None])[:, None].to(device)
