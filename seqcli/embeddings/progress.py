"""What a training of embeddings needs to go on: its tables, and how many parts of its schedule they have learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass
class Progress:
    """parts: of the schedule, that are done; units: words or pairs in them; losses: of the last parts, sums and what they are sums over;
    seconds: of learning so far."""

    parts: int = 0
    units: int = 0
    losses: list[tuple[float, int]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, units: int, loss: float, count: int, *, kept: int) -> None:
        """One more part. kept: losses of so many parts."""
        self.parts, self.units = self.parts + 1, self.units + units
        self.losses = [*self.losses, (loss, count)][-kept:]

    @property
    def loss(self) -> float:
        return sum(loss for loss, _ in self.losses) / max(sum(count for _, count in self.losses), 1)


class Keeper(AbstractContextManager[object], Protocol):
    """Saves a training now and then; signals that come inside its block wait for the part at hand."""

    def restored(self, tables: Mapping[str, np.ndarray]) -> Progress:
        """Fills the tables with what was saved; a new progress where nothing was."""

    def keep(self, tables: Mapping[str, np.ndarray], progress: Progress) -> bool:
        """Saves where it is time to; whether the training has to stop."""
