"""Positions: rotary embeddings, learned vectors, or sinusoids.

Su et al. (2021), "RoFormer", equation 34; Vaswani et al. (2017), section 3.5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ("rotary", "learned", "sinusoidal")


def angles(positions: Tensor, width: int, *, base: float = 10000.0) -> Tensor:
    """positions [...] x frequencies: float32 [..., width / 2]."""
    frequencies = base ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width)
    return positions[..., None].float() * frequencies


def turns(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The factors of `rotate` at these positions: cosines and sines, float32 [..., width] each."""
    angle = angles(positions, width)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates pairs (x_i, x_(i + K/2)) of x [..., K] by the angles of `turns`, so that dot products depend on
    distances only."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin).type_as(x)


class Sinusoids(nn.Module):
    """Sinusoidal position vectors, without parameters and for any position."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, positions: Tensor) -> Tensor:
        """positions int64 [...] -> [..., D]"""
        angle = angles(positions, self.width)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)
