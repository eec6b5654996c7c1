"""Where the large arrays of an estimation live: in memory, or in files of a temporary folder.

`Arena(memory)` decides once, from the number of tokens and the memory allowed; the code that counts and smooths
asks it for arrays and for how many rows to take at a time, and gives the same result either way.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

_BYTES_PER_TOKEN_AT_ONCE = 200  # everything in memory, seen at order 5
_BYTES_PER_ROW = 72  # keys, their sorted copy and order, ids: what one chunk needs while it is sorted
_SMOOTHING_ROWS = 1 << 19


class Arena:
    """memory: bytes allowed; tokens: in the corpus; folder: for the files, made and removed here."""

    def __init__(self, *, memory: int, tokens: int, folder: Path | None = None):
        self.in_memory = tokens * _BYTES_PER_TOKEN_AT_ONCE <= memory
        self.chunk = max(tokens, 1) if self.in_memory else max(1 << 12, memory // 3 // _BYTES_PER_ROW)
        self.rows = _SMOOTHING_ROWS if self.in_memory else min(_SMOOTHING_ROWS, self.chunk)
        self._folder = None if self.in_memory else Path(tempfile.mkdtemp(prefix=".counts-", dir=folder))
        self._made = 0

    def empty(self, size: int, dtype) -> np.ndarray:
        if self._folder is None or size == 0:
            return np.empty(size, dtype)
        self._made += 1
        return np.memmap(self._folder / f"{self._made}", dtype=dtype, mode="w+", shape=(size,))

    def full(self, size: int, value: int, dtype) -> np.ndarray:
        array = self.empty(size, dtype)
        array[:] = value
        return array

    def give_back(self, array: np.ndarray) -> None:
        """This array is not needed again."""
        if isinstance(array, np.memmap):
            os.unlink(array.filename)

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def default_memory() -> int:
    """Half of the machine's."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
