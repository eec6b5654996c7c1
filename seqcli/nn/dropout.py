"""Dropout (Srivastava et al. 2014) with faster random masks on the CPU.

PyTorch draws a random number for each element there, which takes a third of the training step of a small Transformer. Here each
64-bit number is used as four 16-bit ones: the dropout probability is rounded to a multiple of 1 / 65,536, and the scale matches it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_STEPS = 1 << 16


def dropout(x: Tensor, share: float) -> Tensor:
    """x with about `share` of its elements set to 0 and the others scaled up to keep the mean; x itself if
    share is 0."""
    if not share:
        return x
    return _Dropout.apply(x, share) if x.device.type == "cpu" else F.dropout(x, share)


class Dropout(nn.Module):
    """`dropout` in training; the identity otherwise."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.share) if self.training else x


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        count = round(share * _STEPS)
        drawn = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
        kept = (drawn.view(torch.int16)[: x.numel()] >= count - _STEPS // 2).view(x.shape)
        ctx.scale = _STEPS / (_STEPS - count)
        ctx.save_for_backward(kept)
        return (x * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        (kept,) = ctx.saved_tensors
        return (grad * kept).mul_(ctx.scale), None
