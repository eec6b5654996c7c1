"""What happens inside a network, for those who ask: layers add what they compute while `recorded` is open for it.

with recorded(SELF) as maps:
    model.features(tokens)
maps[0]  # of the first layer: float [B, H, T, S]

Recording computes the weights beside the network's own kernels and changes no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from torch import Tensor

CROSS = "cross"  # where a translation looks in its source: [B, H, T, S], rows over S sum to 1
SELF = "self"  # where a text looks in itself: [B, H, T, S]
PROJECTED = "projected"  # (queries [B, H, T, K], keys and values [B, G, S, K]) of a text that looks at itself

_OPEN: ContextVar[Mapping[str, list[Any]]] = ContextVar("open", default=MappingProxyType({}))


@contextmanager
def recorded(kind: str) -> Iterator[list[Any]]:
    """What is added of this kind, in order."""
    added: list[Any] = []
    token = _OPEN.set({**_OPEN.get(), kind: added})
    try:
        yield added
    finally:
        _OPEN.reset(token)


def wanted(kind: str) -> bool:
    return kind in _OPEN.get()


def add(kind: str, what: Tensor | tuple[Tensor, ...]) -> None:
    _OPEN.get()[kind].append(what.float() if isinstance(what, Tensor) else tuple(part.float() for part in what))
