"""The n-grams of one order, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from seqcli.errors import ModelError


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


def tensors_of(levels: Sequence[Level]) -> dict[str, np.ndarray]:
    """The arrays of all levels by their names in a file."""
    return {
        f"order{n}.{field.name}": getattr(level, field.name)
        for n, level in enumerate(levels, 1)
        for field in fields(Level)
        if n > 1 or field.name == "count"
    }


def of_tensors(tensors: Mapping[str, np.ndarray], *, order: int, vocab_size: int) -> list[Level]:
    """Checks and restores levels. Raises ModelError if the arrays are not levels of this order and vocabulary."""
    try:
        levels = [Level.unigrams(tensors["order1.count"])]
        for n in range(2, order + 1):
            level = Level(*(tensors[f"order{n}.{field.name}"] for field in fields(Level)))
            if len({len(level.word), len(level.count), len(level.suffix)}) > 1:
                raise ValueError(f"order {n}: columns of different lengths")
            if len(level.children) != len(levels[-1]) + 1 or level.children[-1] != len(level):
                raise ValueError(f"order {n}: children")
            levels.append(level)
        if len(levels[0]) != vocab_size:
            raise ValueError(f"{len(levels[0])} unigrams for a vocabulary of {vocab_size}")
    except (KeyError, ValueError, IndexError) as error:
        raise ModelError(f"damaged counts ({error})", cure="count this part again") from None
    return levels


def row_type(rows: int) -> type[np.signedinteger]:
    """The integer type that can index this number of rows."""
    return np.int32 if rows < 2**31 else np.int64
