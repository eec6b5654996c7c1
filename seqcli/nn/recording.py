"""Records intermediate values of a network: layers add what they compute while a `recorded` context is open.

with recorded(SELF) as looked:
    model.features(tokens)
looked[0].weights()  # of the first layer: float [B, H, T, S]

Recording does not change results: values that fused kernels do not return are computed in addition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

SELF = "self"  # self-attention: `nn.attention.Projected`
CROSS = "cross"  # cross-attention weights: float [B, H, T, S], rows over S sum to 1
CROSS_PROJECTED = "cross projected"  # cross-attention of a Transformer: `nn.attention.Projected`

_OPEN: ContextVar[Mapping[str, list[Any]]] = ContextVar("open", default=MappingProxyType({}))


@contextmanager
def recorded(kind: str) -> Iterator[list[Any]]:
    """A context that collects the values of this kind, in order."""
    added: list[Any] = []
    token = _OPEN.set({**_OPEN.get(), kind: added})
    try:
        yield added
    finally:
        _OPEN.reset(token)


def wanted(kind: str) -> bool:
    return kind in _OPEN.get()


def add(kind: str, what: Any) -> None:
    _OPEN.get()[kind].append(what)
