"""Where a token stands: rotary angles, learnt vectors, or sinusoids.

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


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Turns pairs (x_i, x_(i + K/2)) of x [B, H, T, K] by angle [B or 1, 1, T, K/2]: dot products then see distances only."""
    left, right = x.float().chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1).type_as(x)


class Sinusoids(nn.Module):
    """Vectors of sines and cosines; nothing is learnt, any position has one."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, positions: Tensor) -> Tensor:
        """positions int64 [...] -> [..., D]"""
        angle = angles(positions, self.width)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)
