"""A typed `nn.ModuleList`, so that a type checker knows the attributes and methods of its modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, Self, TypeVar, overload

from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


class Modules(nn.ModuleList, Generic[Kind]):
    """Written as `self.layers: Modules[Layer] = Modules(...)`."""

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[Kind]: ...

        @overload
        def __getitem__(self, idx: slice) -> Self: ...

        @overload
        def __getitem__(self, idx: int) -> Kind: ...

        def __getitem__(self, idx: int | slice) -> Kind | Self: ...
