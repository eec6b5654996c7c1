"""Lines of text in memory, to train on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from seqcli.interfaces import SILENT, Reporter
from seqcli.ragged import gather
from seqcli.system.workers import ordered_map
from seqcli.token_batch import TokenBatch

_BLOCK = 1 << 18  # bytes of text to tokenize at a time


@dataclass(frozen=True, eq=False)
class Texts:
    """Lines, one after another."""

    data: bytes

    unit = "line"  # the unit to train a tokenizer with

    def __len__(self) -> int:
        return self.data.count(b"\n")

    def size(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def lines_at(self, rows: np.ndarray) -> bytes:
        """The selected lines. rows: bool [N]."""
        data = np.frombuffer(self.data, np.uint8)
        ends = np.flatnonzero(data == ord("\n")) + 1
        starts = np.concatenate([[0], ends[:-1]])
        return gather(data, starts[rows], (ends - starts)[rows]).tobytes()

    def blocks(self) -> Iterator[bytes]:
        """The lines in blocks."""
        begin = 0
        while begin < len(self.data):
            end = self.data.find(b"\n", min(begin + _BLOCK, len(self.data) - 1)) + 1
            yield self.data[begin:end]
            begin = end

    def all_lines(self, reporter: Reporter = SILENT) -> Iterator[bytes]:
        """The text to train a tokenizer on."""
        return self.blocks()

    def encoded(self, encode: Callable[[bytes], TokenBatch], *, threads: int | None = None) -> TokenBatch:
        """All lines as tokens, computed on all cores."""
        return TokenBatch.joined(list(ordered_map(encode, self.blocks(), workers=threads)))
