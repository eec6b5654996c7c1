"""Where attention looks, for those who ask: layers add their weights while `recorded` is open.

with recorded() as maps:
    model.features(tokens, memory)
maps[0]  # of the first layer: float [B, H, T, S]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_MAPS: ContextVar[list[Tensor] | None] = ContextVar("maps", default=None)


@contextmanager
def recorded() -> Iterator[list[Tensor]]:
    maps: list[Tensor] = []
    token = _MAPS.set(maps)
    try:
        yield maps
    finally:
        _MAPS.reset(token)


def wanted() -> bool:
    return _MAPS.get() is not None


def add(weights: Tensor) -> None:
    """weights: [B, H, T, S], rows over S sum to 1."""
    maps = _MAPS.get()
    assert maps is not None, "ask `wanted` first"
    maps.append(weights.float())
