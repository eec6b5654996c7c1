"""Limits for the sizes that a file of word vectors claims: no more than fits into the file and into memory."""

from __future__ import annotations

from seqcli.errors import ModelError, OutputError
from seqcli.system import memory

CURE = "download or write the file again"
MOST_WORDS, LARGEST_DIM = (1 << 31) - 4, 1 << 16


def check(path: str, *, words: int, dim: int, room: int, each: int) -> None:
    """words, dim: sizes claimed by the file; room: bytes left for them; each: minimum bytes per number.

    Raises ModelError if they do not fit into the file, OutputError if they do not fit into memory.
    """
    if not (0 < words <= MOST_WORDS and 0 < dim <= LARGEST_DIM):
        raise ModelError(f"claims {words:,} vectors of {dim:,} numbers", where=path, cure=CURE)
    if words * dim * each > room:
        raise ModelError(
            f"claims {words:,} vectors of {dim:,} numbers, more than the file contains: truncated or damaged",
            where=path,
            cure=CURE,
        )
    check_memory(path, 4 * words * dim)


def check_memory(path: str, size: int) -> None:
    """Raises OutputError if less than `size` bytes are free."""
    free = memory.available()
    if free is not None and size > free:
        raise OutputError(
            f"not enough memory: the vectors take {size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free", where=path,
            cure="use a file with fewer words",
        )  # fmt: skip
