"""An average of the weights over the steps, which is evaluated and saved instead of the current weights.

`ema` is an exponential moving average; `average` is the uniform mean over the end of training (Polyak and Juditsky
1992; with plain gradient descent the ASGD of Merity et al. 2018). Both interpolate towards the new weights: after n updates
the mean by 1 / (n + 1), and the moving average by 1 - ema, or like the mean while n is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seqcli.nn import weights
from seqcli.training.config import Plan


class Average:
    """The average of a model's weights; empty before averaging begins, and if the plan has none."""

    def __init__(self, model: nn.Module, plan: Plan):
        self._weights = dict(model.named_parameters())
        self._begins = 0.0 if plan.ema else 1 - plan.average
        self._least = 1 - plan.ema if plan.ema else 0.0
        self._averages: dict[str, Tensor] = {}
        self._count = 0

    @torch.no_grad()
    def update(self, share: float) -> None:
        """Adds the weights after a step; `share` of the budget was spent before it."""
        if share < self._begins:
            return
        if not self._averages:
            self._averages = {name: weight.detach().clone() for name, weight in self._weights.items()}
        part = max(self._least, 1 / (self._count + 1))
        torch._foreach_lerp_(list(self._averages.values()), list(self._weights.values()), part)
        self._count += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Context in which the model has the averaged weights; afterwards its own weights are restored exactly."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, average in self._averages.items():
            own = self._weights[name].clone()
            self._weights[name].copy_(average)
            average.copy_(own)

    def arrays(self) -> dict[str, Tensor]:
        """Its tensors by name, for a checkpoint; `restore` reads them."""
        return {**self._averages, "count": torch.tensor(self._count)} if self._averages else {}

    def restore(self, arrays: Mapping[str, Tensor]) -> None:
        self._count = int(arrays["count"]) if arrays else 0
        self._averages = {
            n: weights.like(arrays[n].to(own.device), own) for n, own in self._weights.items() if n in arrays
        }
