"""What trainings of word embeddings share: tables for several processes, and the progress from which they are resumed."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass
class Progress:
    """parts: number of parts of the schedule that are done; units: words or pairs in them; losses: (sum, count) of the last parts;
    seconds: of training so far."""

    parts: int = 0
    units: int = 0
    losses: list[tuple[float, int]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, units: int, loss: float, count: int, *, kept: int) -> None:
        """Adds a part. kept: number of parts whose losses are kept."""
        self.parts, self.units = self.parts + 1, self.units + units
        self.losses = [*self.losses, (loss, count)][-kept:]

    @property
    def loss(self) -> float:
        return sum(loss for loss, _ in self.losses) / max(sum(count for _, count in self.losses), 1)


class Keeper(AbstractContextManager[object], Protocol):
    """Saves a training at intervals; signals inside its block take effect after the current part."""

    def restored(self, tables: Mapping[str, np.ndarray]) -> Progress:
        """Fills the tables from the checkpoint and returns its progress; a new progress if there is none."""

    def keep(self, tables: Mapping[str, np.ndarray], progress: Progress) -> bool:
        """Saves if a checkpoint is due; returns whether the training has to stop."""


def shared(rows: int, width: int) -> np.ndarray:
    """A table of zeros, float32 [rows, width], in memory shared with forked processes."""
    return np.frombuffer(mmap.mmap(-1, max(4 * rows * width, 1)), np.float32, rows * width).reshape(rows, width)
