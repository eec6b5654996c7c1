"""What happens inside a network, for those who ask: layers add what they compute while `recorded` is open for it.

with recorded(SELF) as looked:
    model.features(tokens)
looked[0].weights()  # of the first layer: float [B, H, T, S]

Recording changes no result: what the network's own kernels do not show is computed beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

SELF = "self"  # how a text looks at itself: `nn.attention.Projected`
CROSS = "cross"  # where a translation looks in its source: float [B, H, T, S], rows over S sum to 1
CROSS_PROJECTED = "cross projected"  # how, of a Transformer: `nn.attention.Projected`

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


def add(kind: str, what: Any) -> None:
    _OPEN.get()[kind].append(what)
