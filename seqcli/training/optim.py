"""AdamW (Loshchilov and Hutter 2019) and the course of the learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

SCHEDULES = ("cosine", "linear", "constant", "inverse-sqrt")


def adamw(model: nn.Module, *, learning_rate: float, weight_decay: float, betas: tuple[float, float]) -> torch.optim.AdamW:
    """Matrices decay; biases, gains and other vectors do not."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=True)


def rate(step: int, share: float, *, schedule: str, warmup: int, floor: float) -> float:
    """Factor of the learning rate at `step`, `share` of the budget being spent; `floor` is where cosine and linear end."""
    rise = min(1.0, (step + 1) / max(1, warmup))
    if schedule == "cosine":
        return rise * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
    if schedule == "linear":
        return rise * (floor + (1 - floor) * (1 - min(1.0, share)))
    if schedule == "inverse-sqrt":
        return rise * math.sqrt(max(1, warmup) / max(step + 1, warmup, 1))
    return rise
