"""Arrays stored on disk: written one after another, then read back in the same order or as one array.

They are written to an unnamed temporary file; what fits in memory stays in the page cache and costs only a copy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class Spool:
    """A sequence of groups of arrays: `add(a, b)`, then `for a, b in spool`."""

    def __init__(self, folder: Path):
        self._file = tempfile.TemporaryFile(dir=folder)
        self._groups = 0
        self._size = 0

    def add(self, *arrays: np.ndarray) -> None:
        self._size = len(arrays)
        for array in arrays:
            np.save(self._file, array, allow_pickle=False)
        self._groups += 1

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        self._file.seek(0)
        for _ in range(self._groups):
            yield tuple(np.load(self._file, allow_pickle=False) for _ in range(self._size))


class TokenStore:
    """The tokens of a corpus: appended piece by piece, then memory-mapped as one int32 array [T]."""

    def __init__(self, folder: Path):
        self._file = tempfile.TemporaryFile(dir=folder)
        self._count = 0

    def append(self, tokens: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(tokens, np.int32).data)
        self._count += len(tokens)

    def array(self) -> np.ndarray:
        self._file.flush()
        if not self._count:
            return np.zeros(0, np.int32)
        return np.memmap(self._file, dtype=np.int32, mode="r", shape=(self._count,))
