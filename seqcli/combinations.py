"""The best choices of one entry from each of several lists, where the score of a choice is the sum of its entries'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def best(lists: Sequence[Sequence[tuple[float, T]]], *, n: int) -> list[tuple[float, tuple[T, ...]]]:
    """The n best choices with their scores, best first. lists: of scored entries, best first.

    The i-th best choice from the lists so far goes with the j-th entry of the next only if i * j <= n (both from 1): so many
    pairs are at least as good. Of [(-1, "a"), (-3, "b")] and [(0, "c"), (-1, "d")] the two best are a c and a d.
    """
    chosen: list[tuple[float, tuple[T, ...]]] = [(0.0, ())]
    for entries in lists:
        pairs = [
            (score + own, (*choice, entry))
            for i, (score, choice) in enumerate(chosen[:n], 1)
            for own, entry in entries[: n // i]
        ]
        chosen = sorted(pairs, key=lambda pair: -pair[0])[:n]
    return chosen
