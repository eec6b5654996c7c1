"""The n-grams of one order, counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(slots=True)
class Level:
    """All n-grams of one order, R rows sorted by (prefix, word).

    word: uint32 [R]; count: [R], how often it occurs; suffix: [R], its row one order below without its first
    word; children: [rows below + 1], `children[p] : children[p + 1]` are the rows with prefix p. Order 1 has the
    vocabulary's ids as rows; its word, suffix and children are empty. Whole numbers are of 32 bits where those suffice.
    """

    word: np.ndarray
    count: np.ndarray
    suffix: np.ndarray
    children: np.ndarray

    @classmethod
    def unigrams(cls, count: np.ndarray) -> Level:
        nothing = np.zeros(0, np.uint32)
        return cls(nothing, count, nothing, nothing)

    def __len__(self) -> int:
        return len(self.count)


def row_type(rows: int) -> type[np.signedinteger]:
    """Of the numbers of so many rows."""
    return np.int32 if rows < 2**31 else np.int64
