"""Small layers that many architectures share: dropout, pooling, and typed lists of layers.

Dropout (Srivastava et al. 2014) has faster random masks on the CPU. PyTorch draws a random number for each element there, which takes
a third of the training step of a small Transformer. Here each 64-bit number is used as four 16-bit ones: the dropout probability is
rounded to a multiple of 1 / 65,536, and the scale matches it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.linear import Linear

POOLINGS = ("max", "mean", "first", "last", "attention")
_STEPS = 1 << 16
Kind = TypeVar("Kind", bound=nn.Module)


def dropout(x: Tensor, share: float) -> Tensor:
    """x with about `share` of its elements set to 0 and the others scaled up to keep the mean; x itself if
    share is 0."""
    if not share:
        return x
    return _Dropout.apply(x, share) if x.device.type == "cpu" else F.dropout(x, share)


class Dropout(nn.Module):
    """`dropout` in training; the identity otherwise."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.share) if self.training else x


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        count = round(share * _STEPS)
        drawn = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
        kept = (drawn.view(torch.int16)[: x.numel()] >= count - _STEPS // 2).view(x.shape)
        ctx.scale = _STEPS / (_STEPS - count)
        ctx.save_for_backward(kept)
        return (x * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        (kept,) = ctx.saved_tensors
        return (grad * kept).mul_(ctx.scale), None


def locked_dropout(x: Tensor, share: float) -> Tensor:
    """Dropout of [B, T, D] with one mask [B, 1, D] for all time steps."""
    return x * dropout(torch.ones_like(x[:, :1]), share) if share else x


class LockedDropout(nn.Module):
    """`locked_dropout` in training; the identity otherwise."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return locked_dropout(x, self.share) if self.training else x


class Pooling(nn.Module):
    """One feature vector per row from one per token: [B, T, D] and a mask of real tokens -> [B, kinds x D], the kinds concatenated. max: maximum of every feature
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


def check_pooling(kinds: tuple[str, ...]) -> None:
    """Raises ValueError for an unknown kind of pooling."""
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(POOLINGS):
        raise ValueError(f"pooling {list(kinds)} must be one or several of {', '.join(POOLINGS)}")


class Modules(nn.ModuleList, Generic[Kind]):
    """A typed `nn.ModuleList`, so that a type checker knows the attributes and methods of its modules: written as
    `self.layers: Modules[Layer] = Modules(...)`."""

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[Kind]: ...

        @overload
        def __getitem__(self, idx: slice) -> Self: ...

        @overload
        def __getitem__(self, idx: int) -> Kind: ...

        def __getitem__(self, idx: int | slice) -> Kind | Self: ...
