"""The result of a training: the saved model and its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

Opened = TypeVar("Opened")
EXAMPLES = 100  # held-out rows that are kept to show examples


@dataclass(frozen=True)
class Trained(Generic[Opened]):
    """A trained model. record: of the training; its `valid` are the figures on held-out text.

    name: among models that are trained together; several: whether there are others; summary: lines about the training;
    examples: held-out rows, each a text and its label or translation.
    """

    path: Path
    opened: Opened
    record: dict[str, Any]
    name: str = ""
    several: bool = False
    summary: Sequence[str] = ()
    examples: Sequence[tuple[str, str]] = ()
