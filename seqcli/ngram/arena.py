"""Allocates the large arrays of an estimation: in memory, or memory-mapped from unnamed files.

`Arena(memory)` decides once, from the number of tokens and the allowed memory. The code that counts and smooths requests
arrays from it, and the number of rows to process at a time; results do not depend on the decision.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from weakref import WeakSet

import numpy as np

# bytes per token with everything in memory at order 5: 41 to 46 for English, more for texts with more distinct n-grams
_BYTES_PER_TOKEN_AT_ONCE = 80
_BYTES_PER_TOKEN_OF_A_PIECE = 64  # bytes per token while it is counted
_SMOOTHING_ROWS = 1 << 19


class Arena:
    """memory: allowed bytes; tokens: number of tokens in the corpus; folder: for the files, which disappear with their arrays.

    chunk: tokens to count, or rows to sort, at a time; rows: rows to smooth at a time.
    """

    def __init__(self, *, memory: int, tokens: int, folder: Path | None = None):
        self.in_memory = tokens * _BYTES_PER_TOKEN_AT_ONCE <= memory
        self.chunk = max(tokens, 1) if self.in_memory else max(1 << 12, memory // _BYTES_PER_TOKEN_OF_A_PIECE)
        self.rows = _SMOOTHING_ROWS if self.in_memory else min(_SMOOTHING_ROWS, self.chunk)
        self._folder = folder
        self._maps: WeakSet[mmap.mmap] = WeakSet()

    def empty(self, size: int, dtype) -> np.ndarray:
        if self.in_memory or size == 0:
            return np.empty(size, dtype)
        with tempfile.TemporaryFile(prefix=".counts-", dir=self._folder) as file:
            _reserve(file.fileno(), size * np.dtype(dtype).itemsize)
            mapped = mmap.mmap(file.fileno(), 0)
        self._maps.add(mapped)
        return np.frombuffer(mapped, dtype)

    def full(self, size: int, value: int, dtype) -> np.ndarray:
        array = self.empty(size, dtype)
        array[:] = value
        return array

    def rest(self) -> None:
        """Called between two passes: mapped arrays are written to their files and leave memory until they are used again."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _reserve(handle: int, size: int) -> None:
    """Reserves disk space, so that a full disk raises an error here rather than SIGBUS when the array is used."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


def default_memory() -> int:
    """The default memory limit: half of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
