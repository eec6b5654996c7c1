"""Pieces of different lengths in one byte buffer: gather many of them, or weave columns of them into rows.

`data` holds bytes, piece i is `data[starts[i] : starts[i] + lengths[i]]`. Everything is a handful of vector
operations per call, a few nanoseconds a byte, whatever the number of pieces.
"""

from __future__ import annotations

import numpy as np


def gather(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The pieces one after another: uint8 [sum of lengths]. Pieces 1, 0 of "ab|c" give "cab"."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    index = np.repeat(starts - (ends - lengths), lengths)
    index += np.arange(total)
    return data[index]


def weave(columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> bytes:
    """Rows of the columns' pieces: row i is piece i of every column, left to right, nothing between.

    columns: (data uint8, starts [n], lengths [n]) each. A separator is a column whose pieces are all one byte.
    """
    lengths = np.stack([lengths for _, _, lengths in columns], axis=1)  # [n, columns]
    places = np.cumsum(lengths.ravel()).reshape(lengths.shape) - lengths
    out = np.empty(int(lengths.sum()), np.uint8)
    for column, (data, starts, length) in enumerate(columns):
        if (length == 1).all():
            out[places[:, column]] = data[starts]
            continue
        ends = np.cumsum(length)
        within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - length, length)
        out[np.repeat(places[:, column], length) + within] = data[np.repeat(starts, length) + within]
    return out.tobytes()
