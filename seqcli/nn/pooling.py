"""Pooling: one feature vector per row from one feature vector per token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.nn.linear import Linear

KINDS = ("max", "mean", "first", "last", "attention")


class Pooling(nn.Module):
    """[B, T, D] and a mask of real tokens -> [B, kinds x D], the kinds concatenated. max: maximum of every feature
    (Collobert et al. 2011); mean; first, last: feature of the first (BERT's [CLS]) or last token; attention: mean with learned weights, softmax of u
    x (Yang et al. 2016, without the inner layer)."""

    def __init__(self, kinds: tuple[str, ...], width: int):
        super().__init__()
        self.kinds, self.width = kinds, width * len(kinds)
        if "attention" in kinds:
            self.attention = Linear(width, 1, bias=False)

    @property
    def queries(self) -> int | None:
        """How many tokens it reads, from the first on; None: all."""
        return 1 if self.kinds == ("first",) else None

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        return torch.cat([getattr(self, f"_{kind}")(x, real) for kind in self.kinds], dim=-1)

    def _max(self, x: Tensor, real: Tensor) -> Tensor:
        return x.masked_fill(~real[..., None], torch.finfo(x.dtype).min).amax(dim=1)

    def _mean(self, x: Tensor, real: Tensor) -> Tensor:
        return (x * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True)

    def _first(self, x: Tensor, real: Tensor) -> Tensor:
        return x[:, 0]

    def _last(self, x: Tensor, real: Tensor) -> Tensor:
        return x[torch.arange(len(x), device=x.device), real.sum(dim=1) - 1]

    def _attention(self, x: Tensor, real: Tensor) -> Tensor:
        scores = self.attention(x)[..., 0].float().masked_fill(~real, -torch.inf)  # [B, T]
        return (scores.softmax(dim=1).to(x.dtype)[..., None] * x).sum(dim=1)


def check(kinds: tuple[str, ...]) -> None:
    """Raises ValueError for an unknown kind of pooling."""
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(KINDS):
        raise ValueError(f"pooling {list(kinds)} must be one or several of {', '.join(KINDS)}")
