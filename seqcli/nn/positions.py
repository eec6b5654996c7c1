"""Positions: rotary embeddings, learned vectors, or sinusoids.

Su et al. (2021), "RoFormer", equation 34; Vaswani et al. (2017), section 3.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

KINDS = ("rotary", "learned", "sinusoidal")
SCALINGS = ("none", "linear", "llama3")


@dataclass(frozen=True)
class Rotary:
    """The frequencies of rotary positions: base^(-2i / K).

    scaling, for windows longer than in pretraining: "linear" divides all frequencies by `factor` (Chen et al. 2023); "llama3"
    divides those with a wavelength above window / low, keeps those below window / high, and interpolates in between (Llama 3.1).
    """

    base: float = 10000.0
    scaling: str = "none"
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    window: int = 0  # window of the pretraining

    def frequencies(self, width: int, *, device: torch.device) -> Tensor:
        """float32 [width / 2]"""
        plain = self.base ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
        if self.scaling == "none":
            return plain
        if self.scaling == "linear":
            return plain / self.factor
        turns = self.window * plain / (2 * math.pi)  # rotations within the window
        kept = ((turns - self.low) / (self.high - self.low)).clamp(0, 1)
        return kept * plain + (1 - kept) * plain / self.factor


PLAIN = Rotary()


def angles(positions: Tensor, width: int, *, rotary: Rotary = PLAIN) -> Tensor:
    """positions [...] x frequencies: float32 [..., width / 2]."""
    return positions[..., None].float() * rotary.frequencies(width, device=positions.device)


def turns(positions: Tensor, width: int, *, rotary: Rotary = PLAIN) -> tuple[Tensor, Tensor]:
    """The factors of `rotate` at these positions: cosines and sines, float32 [..., width] each."""
    angle = angles(positions, width, rotary=rotary)
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
