"""What a training gives: the model that it has saved, and what it wrote down of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

Opened = TypeVar("Opened")
EXAMPLES = 100  # held-out rows that are kept to show what a model says


@dataclass(frozen=True)
class Trained(Generic[Opened]):
    """A model in its folder. record: what the training wrote down; `valid` of it are figures of held-out text.

    name: among models that are trained together; several: whether there are others; summary: how the training went, in lines;
    examples: held-out rows, each a text and its label or translation.
    """

    path: Path
    opened: Opened
    record: dict[str, Any]
    name: str = ""
    several: bool = False
    summary: Sequence[str] = ()
    examples: Sequence[tuple[str, str]] = ()
