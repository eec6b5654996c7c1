"""Allocates the large arrays of an estimation: in memory while they fit, then memory-mapped from unnamed files.

The code that counts and smooths requests arrays from an `Arena`, and the number of tokens or rows to process at a time;
results do not depend on either.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from pathlib import Path

import numpy as np

# Bytes per token while it is counted, besides the arrays of the arena: the token, its place, rank and row, and the columns of
# one order if every n-gram in it is distinct
_COUNTING = 4 * 4 + 3 * 4 + 4
_MERGING = 64  # bytes per row while it is merged
_SMOOTHING_ROWS = 1 << 19
_FEWEST = 1 << 12


class Arena:
    """memory: allowed bytes; tokens: number of tokens in the corpus; folder: for the files, which disappear with their arrays.

    chunk: tokens to count at a time; runs: rows to merge at a time; rows: rows to smooth at a time.
    """

    def __init__(self, *, memory: int, tokens: int, folder: Path | None = None):
        self.chunk = max(tokens, 1) if tokens * _COUNTING <= memory else max(_FEWEST, memory // _COUNTING)
        self.runs = max(_FEWEST, memory // _MERGING)
        self.rows = min(_SMOOTHING_ROWS, self.runs)
        self._free = memory - _COUNTING * min(tokens, self.chunk)  # bytes
        self._folder = folder
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def empty(self, size: int, dtype) -> np.ndarray:
        if self._fits(size * np.dtype(dtype).itemsize):
            return self._counted(np.empty(size, dtype))
        with tempfile.TemporaryFile(prefix=".counts-", dir=self._folder) as file:
            _reserve(file.fileno(), size * np.dtype(dtype).itemsize)
            mapped = mmap.mmap(file.fileno(), 0)
        self._maps.add(mapped)
        return np.frombuffer(mapped, dtype)

    def full(self, size: int, value: int, dtype) -> np.ndarray:
        array = self.empty(size, dtype)
        array[:] = value
        return array

    def shrunk(self, array: np.ndarray, size: int) -> np.ndarray:
        """The first `size` entries of an array that was made elsewhere, which is consumed."""
        if self._fits(size * array.itemsize):
            array.resize(size, refcheck=False)  # returns the rest without copying
            return self._counted(array)
        kept = self.empty(size, array.dtype)
        kept[:] = array[:size]
        return kept

    def rest(self) -> None:
        """Called between two passes: mapped arrays are written to their files and leave memory until they are used again."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)

    def _fits(self, size: int) -> bool:
        return size <= max(self._free, 0)  # an empty file cannot be mapped

    def _counted(self, array: np.ndarray) -> np.ndarray:
        """Counts an array as used memory for as long as it exists."""
        self._free -= array.nbytes
        weakref.finalize(array, self._release, array.nbytes)
        return array

    def _release(self, size: int) -> None:
        self._free += size


def _reserve(handle: int, size: int) -> None:
    """Reserves disk space, so that a full disk raises an error here rather than SIGBUS when the array is used."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


def default_memory() -> int:
    """The default memory limit: half of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
