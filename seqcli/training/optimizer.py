"""Optimizers and learning rate schedules.

Muon (Jordan et al. 2024): gradient descent with momentum and orthogonalized updates for matrices; AdamW for all other weights.

An update U V^T instead of U S V^T has the same size in every direction of a weight, while AdamW is dominated by a few. It is
approximated by Newton-Schulz iterations, in bfloat16 where that is fast. Updates are scaled to the size of AdamW's (Liu et al. 2025,
"Muon is scalable", equation 4), so that both use the same learning rate.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from seqcli.training.config import Plan

Kind = TypeVar("Kind", bound=type[torch.optim.Optimizer])
_DECORATED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")  # for `torch.compile`
_RISING = 0.1  # maximum share of the budget for the warm-up


def _eager(kind: Kind) -> Kind:
    """The optimizer class without the decorators for `torch.compile`.

    They import the compiler when a method is first called: 800 modules and a second at the start of every training, although no step
    is compiled here. The undecorated methods compute the same.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _DECORATED}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))  # one of the removed decorators disabled gradients
    for name, method in methods.items():
        setattr(kind, name, method)
    return kind


@_eager
class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019)."""


@_eager
class SGD(torch.optim.SGD):
    """Plain gradient descent."""


def make_optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), Muon, or plain gradient descent. Weight decay applies to matrices only, not
    to biases and norms."""
    weights = [p for p in model.parameters() if p.requires_grad]
    named = [(name.rpartition(".")[2], part) for name, part in model.named_modules()]
    tables = {
        part.weight for name, part in named if name == "head" or isinstance(part, nn.Embedding)
    }  # one row per token or label
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if p.ndim >= 2 and p not in tables], "weight_decay": plan.weight_decay},
        {"params": [p for p in weights if p in tables], "weight_decay": plan.weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    if plan.optimizer == "sgd":
        return SGD(groups, lr=plan.learning_rate)
    kind: type[AdamW] = AdamW
    if plan.optimizer == "muon":
        kind, groups[0]["orthogonal"] = Muon, True
    return kind(groups, lr=plan.learning_rate, betas=(plan.beta1, plan.beta2), fused=True)


def learning_rate(step: int, share: float, plan: Plan) -> float:
    """Factor of the learning rate at `step`, when `share` of the budget is spent. The schedule plateau is also
    multiplied by `Progress.factor`."""
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


_COEFFICIENTS = (
    3.4445,
    -4.7750,
    2.0315,
)  # of the quintic polynomial, as published: singular values converge to 0.7 to 1.2
_RMS = 0.2  # RMS of AdamW's updates, in units of the learning rate


class Muon(AdamW):
    """AdamW, except for the groups marked `orthogonal`, whose parameters are matrices [R, C]."""

    def __init__(self, groups: list[dict], *, momentum: float = 0.95, iterations: int = 4, **adamw):
        super().__init__(groups, **adamw)
        self._momentum, self._iterations = momentum, iterations

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        for group in self.param_groups:
            matrices = [weight for weight in group["params"] if weight.grad is not None and weight.ndim == 2]
            for weights in _together(matrices) if group.get("orthogonal") else ():
                self._step(weights, group)
        return super().step(closure)

    def _step(self, weights: list[Tensor], group: dict) -> None:
        """One step for matrices of the same shape."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        momenta = [self._momentum_of(weight) for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - self._momentum)
        ahead = torch._foreach_lerp(gradients, momenta, self._momentum)  # Nesterov's
        rows, columns = weights[0].shape
        blocks = rows // columns if rows % columns == 0 else 1  # stacked gates or heads are separate matrices
        parts = [each.view(blocks, rows // blocks, columns) for each in ahead]
        stacked = torch.cat(parts) if len(parts) > 1 else parts[0]
        steps = orthogonal(stacked, iterations=self._iterations).view(len(weights), rows, columns)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(
            weights, list(steps.unbind()), alpha=-group["lr"] * _RMS * max(rows // blocks, columns) ** 0.5
        )
        for weight in weights:
            weight.grad = None  # so that AdamW skips it

    def _momentum_of(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
            state["step"] = torch.zeros(())  # AdamW expects it in every restored state
        return state["momentum"]


def _together(weights: list[Tensor]) -> list[list[Tensor]]:
    """Weights that are updated together: on the CPU each by itself, so that it fits the cache; on a GPU all of the same shape, to launch
    fewer kernels."""
    alike: dict[object, list[Tensor]] = {}
    for weight in weights:
        alike.setdefault(id(weight) if weight.device.type == "cpu" else weight.shape, []).append(weight)
    return list(alike.values())


@cache
def _products(device: str) -> torch.dtype:
    """dtype of the products: bfloat16 is precise enough, but ten times slower than float32 on a CPU without native
    support."""
    return torch.bfloat16 if device != "cpu" or torch.cpu._is_avx512_bf16_supported() else torch.float32


def orthogonal(x: Tensor, *, iterations: int) -> Tensor:
    """Approximately U V^T of each x = U S V^T: [..., R, C] -> float32 [..., R, C]."""
    a, b, c = _COEFFICIENTS
    tall = x.shape[-2] > x.shape[-1]
    y = (x.mT if tall else x).to(_products(x.device.type))
    y = y / (y.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = y @ y.mT
        y = a * y + (b * gram + c * gram @ gram) @ y
    return (y.mT if tall else y).float()
