"""What all networks share when they are asked, not trained: where they are, in what they multiply, how much at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seqcli.nn.linear import hold


class Answering(nn.Module):
    """batch_tokens: read in one pass, padding included."""

    batch_tokens = 8192
    products, precision = torch.float32, "fp32"  # the type of matrix products when it is asked
    body: nn.Module

    @property
    def device(self) -> torch.device:
        return next(self.body.parameters()).device  # of the embedding

    @property
    def held(self) -> bool:
        """Whether its matrix products are laid out for answers: they know their dtype then."""
        return self.head.held

    def place(self, placement: Any, *, batch_tokens: int | None = None) -> None:
        """Where and how it answers from now on, a `training.placement.Placement`; it can be trained no more."""
        self.to(placement.device)
        self.products = torch.bfloat16 if placement.dtype == torch.int8 else placement.dtype
        self.precision = placement.precision
        hold(self, placement.dtype)
        self.batch_tokens = batch_tokens or self.batch_tokens

    def cast(self) -> torch.autocast:
        """Products in its type, where they do not know it; cells stay exact."""
        return torch.autocast(self.device.type, self.products, enabled=self.products != torch.float32 and not self.held)
