"""PyTorch's optimizers without what `torch.compile` needs of them.

Their methods carry decorators that import the compiler when they are first called: 800 modules and a second of a processor's
time at the start of every training, for nothing, since no step is compiled here. The methods below those decorators compute the same.
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

Kind = TypeVar("Kind", bound=type[torch.optim.Optimizer])
_DECORATED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def eager(kind: Kind) -> Kind:
    """The same class of optimizers, its methods as they are below their decorators."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _DECORATED}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))  # one of the decorators had turned gradients off
    for name, method in methods.items():
        setattr(kind, name, method)
    return kind


@eager
class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019)."""


@eager
class SGD(torch.optim.SGD):
    """Plain gradient descent."""
