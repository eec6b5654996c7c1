"""Packed rows as padded ones, in groups of like length, so that padding stays small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def of_like_length(lengths: np.ndarray, *, budget: int, most: int) -> Iterator[np.ndarray]:
    """Rows, shortest first, in groups of at most `budget` tokens with their padding and a token more each.

    Rows above `most` stand alone.
    """
    order = np.argsort(lengths, kind="stable")
    begin = 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            longest = lengths[order[end]] + 1
            if (end - begin + 1) * longest <= budget and longest <= most:
                continue
        if end > begin:
            yield order[begin:end]
            begin = end


def padded(rows: Sequence[np.ndarray], *, fill: int) -> np.ndarray:
    """int64 [B, T]: rows one below the other, `fill` on the right."""
    table = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for line, row in zip(table, rows):
        line[: len(row)] = row
    return table
