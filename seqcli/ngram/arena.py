"""Where the large arrays of an estimation live: in memory, or in nameless files of a folder, mapped.

`Arena(memory)` decides once, from the number of tokens and the memory allowed; the code that counts and smooths
asks it for arrays and for how many rows to take at a time, and gives the same result either way.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from weakref import WeakSet

import numpy as np

_BYTES_PER_TOKEN_AT_ONCE = (
    80  # everything in memory at order 5: English took 41 to 46, where more n-grams differ it is more
)
_BYTES_PER_TOKEN_OF_A_PIECE = 64  # what one needs while it is counted
_SMOOTHING_ROWS = 1 << 19


class Arena:
    """memory: bytes allowed; tokens: in the corpus; folder: for the files, which vanish with their arrays.

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
        """Between two passes: what is mapped leaves memory and comes back from its file when it is touched."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _reserve(handle: int, size: int) -> None:
    """Space on the disk: where it is full that is an error here, and not a SIGBUS where the array is touched."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


def default_memory() -> int:
    """Half of the machine's."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
