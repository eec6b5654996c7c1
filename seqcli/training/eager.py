"""PyTorch's optimizers without the decorators for `torch.compile`.

The decorators import the compiler when a method is first called: 800 modules and a second at the start of every training, although
no step is compiled here. The undecorated methods compute the same.
"""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

Kind = TypeVar("Kind", bound=type[torch.optim.Optimizer])
_DECORATED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def eager(kind: Kind) -> Kind:
    """The optimizer class with undecorated methods."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _DECORATED}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))  # one of the removed decorators disabled gradients
    for name, method in methods.items():
        setattr(kind, name, method)
    return kind


@eager
class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019)."""


@eager
class SGD(torch.optim.SGD):
    """Plain gradient descent."""
