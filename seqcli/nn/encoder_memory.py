"""The encoded sources of a decoder: their states, and per layer the keys and values, computed once. Beams and samples
of one source are consecutive rows that share its memory without copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seqcli.nn.device import to_device


@dataclass(frozen=True)
class Memory:
    """real: bool [B, S], False for padding; keys: per layer a tuple of tensors [B, ...]; extra: further tensors [B,
    ...]; each: number of rows per source, so B x each rows in all."""

    real: Tensor
    keys: Sequence[tuple[Tensor, ...]]
    extra: tuple[Tensor, ...] = ()
    each: int = 1

    @property
    def rows(self) -> int:
        return len(self.real) * self.each

    def reorder(self, rows: np.ndarray) -> Memory:
        """The memory of these rows (int64 [B']), repeats allowed."""
        sources = np.asarray(rows, np.int64) // self.each
        begins = np.flatnonzero(np.diff(sources, prepend=-1))  # of runs of the same source
        each, rest = divmod(len(sources), max(len(begins), 1))
        if rest or not np.array_equal(np.repeat(sources[begins], each), sources):
            begins, each = np.arange(len(sources)), 1
        kept = sources[begins]
        if np.array_equal(kept, np.arange(len(self.real))):
            return replace(self, each=each)
        return replace(self._at(kept), each=each)

    def joined(self, memories: list[Memory]) -> Memory:
        """The rows of several parts of one memory, concatenated; all have the same number of positions."""
        flat = [m if m.each == 1 else m._at(np.arange(len(m.real)).repeat(m.each)) for m in memories]
        return Memory(
            torch.cat([m.real for m in flat]),
            [tuple(torch.cat(parts) for parts in zip(*layers)) for layers in zip(*(m.keys for m in flat))],
            tuple(torch.cat(parts) for parts in zip(*(m.extra for m in flat))),
        )  # fmt: skip

    def _at(self, sources: np.ndarray) -> Memory:
        """A copy with these sources, int64 [B'], one row each."""
        where = to_device(sources, self.real.device)
        return Memory(
            self.real[where], [tuple(part[where] for part in layer) for layer in self.keys], tuple(part[where] for part in self.extra)
        )  # fmt: skip
