"""Optimizers by name, and the course of the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from seqcli.training.muon import Muon

if TYPE_CHECKING:
    from seqcli.training.plan import Plan

OPTIMIZERS = {"adamw": 2, "muon": 2, "sgd": 0}  # numbers that each remembers of a weight
_RISING = 0.1  # of the budget is warm-up at most
SCHEDULES = ("cosine", "linear", "constant", "inverse-sqrt", "wsd", "plateau")


def optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), Muon, or plain gradient descent. Matrices decay; biases, gains and other vectors do not."""
    weights = [p for p in model.parameters() if p.requires_grad]
    named = [(name.rpartition(".")[2], part) for name, part in model.named_modules()]
    tables = {part.weight for name, part in named if name == "head" or isinstance(part, nn.Embedding)}  # a row a token, a label
    groups = [
        {"params": [p for p in weights if p.ndim >= 2 and p not in tables], "weight_decay": plan.weight_decay},
        {"params": [p for p in weights if p in tables], "weight_decay": plan.weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=plan.learning_rate)
    settings = {"lr": plan.learning_rate, "betas": (plan.beta1, plan.beta2), "fused": True}
    if plan.optimizer == "muon":
        groups[0]["orthogonal"] = True
        return Muon(groups, **settings)
    return torch.optim.AdamW(groups, **settings)


def rate(step: int, share: float, plan: Plan) -> float:
    """Factor of the learning rate at `step`, `share` of the budget being spent. Besides, `Progress.factor` is plateau's."""
    rise = min(1.0, max((step + 1) / max(1, plan.warmup), share / _RISING))
    left, floor = max(0.0, 1 - share), plan.floor
    if plan.schedule == "cosine":
        return rise * (floor + (1 - floor) * 0.5 * (1 - math.cos(math.pi * left)))
    if plan.schedule == "linear":
        return rise * (floor + (1 - floor) * left)
    if plan.schedule == "wsd":  # warm up, stay, decay (Hu et al. 2024)
        return rise * (floor + (1 - floor) * min(1.0, left / max(plan.cooldown, 1e-9)))
    if plan.schedule == "inverse-sqrt":
        return rise * math.sqrt(max(1, plan.warmup) / max(step + 1, plan.warmup, 1))
    return rise
