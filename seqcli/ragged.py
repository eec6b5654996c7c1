"""Pieces of different lengths in one byte buffer: gather many of them, or weave columns of them into rows.

`data` holds bytes, piece i is `data[starts[i] : starts[i] + lengths[i]]`. Everything is a handful of vector
operations per call, a few nanoseconds a byte, whatever the number of pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_AT_ONCE = 1 << 17  # bytes: indices of so many stay in the cache


def joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    """Arrays one after another, of `dtype` where there are none; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype), *parts])


def gather(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The pieces one after another: [sum of lengths], of the type of `data`. Pieces 1, 0 of "ab|c" give "cab"."""
    ends = np.cumsum(lengths)
    out = np.empty(int(ends[-1]) if len(ends) else 0, data.dtype)
    shift = starts - (ends - lengths)  # from a place in `out` to its place in `data`
    piece = done = 0
    while piece < len(ends):
        stop = max(piece + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
        index = np.repeat(shift[piece:stop], lengths[piece:stop])
        index += np.arange(done, done + len(index))
        np.take(data, index, out=out[done : done + len(index)], mode="clip")
        done += len(index)
        piece = stop
    return out


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
