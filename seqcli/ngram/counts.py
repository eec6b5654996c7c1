"""Counts n-grams of all orders: positions are sorted by the words at them, by one more word at each order.

An n-gram is its prefix and its last word, and the prefix is a row of the order below. A pass turns "which (n-1)-gram begins
at t" into "which n-gram begins at t": sort the pairs (prefix row, word); the ranks of the distinct pairs are the rows. `"a
b a b c"` with `<s>` in front has the bigrams (<s>,a) (a,b) (b,a) (a,b) (b,c): four rows, (a,b) counted twice. Rows are
sorted by prefix, so the children of a prefix are one slice, and `suffix` (the row of the n-gram without its first word) is
the row that begins at t + 1 in the previous pass.

Positions are first divided by their first one or two words into parts that fit into the cache (`parts`). N-grams with
different first words stay separate at every order, so each part is sorted on its own, and the parts are distributed over
all cores.

A corpus larger than memory is counted in pieces whose counts are then merged (`merging`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqcli.interfaces import SILENT, Reporter
from seqcli.ngram.arena import Arena
from seqcli.ngram.level import Level
from seqcli.ngram.merging import merged_levels
from seqcli.ngram.parts import Parts
from seqcli.system import cpu
from seqcli.text import BOS_ID

_ROWS = 1 << 20


def count(
    stream: np.ndarray, *, vocab_size: int, order: int, arena: Arena, workers: int | None = None, reporter: Reporter = SILENT
) -> list[Level]:  # fmt: skip
    """The n-grams of orders 1 to `order` in `stream` (int32 [T], `<s>` in front of every row's tokens).

    `<s>` starts n-grams and never ends one, except as the unigram that is the prefix of the others (count 0).
    workers: threads, None for one per core.
    """
    workers = cpu.allowed() if workers is None else workers
    counted, pieces = [], range(0, max(1, len(stream)), arena.chunk)
    for number, begin in enumerate(pieces):
        piece = stream[begin : begin + arena.chunk + order - 1]

        def tell(n: int, done: int = number * (order - 1)) -> None:
            reporter.progress(f"counting {n}-grams", done + n - 2, len(pieces) * (order - 1))

        counted.append(_counted(piece, arena.chunk, vocab_size, order, arena, workers, tell))
        arena.rest()
    if len(counted) == 1:
        return counted[0]
    return merged_levels(counted, vocab_size=vocab_size, arena=arena, reporter=reporter)


def _counted(
    stream: np.ndarray, owned: int, vocab_size: int, order: int, arena: Arena, workers: int, tell: Callable[[int], None]
) -> list[Level]:  # fmt: skip
    """The levels of a piece of the corpus. N-grams that begin after the first `owned` tokens belong to the next piece; they
    are included without counts, since they are suffixes of others."""
    unigrams = np.zeros(vocab_size, np.int64)
    for begin in range(0, min(owned, len(stream)), _ROWS):
        unigrams += np.bincount(stream[begin : min(begin + _ROWS, owned)], minlength=vocab_size)
    unigrams[BOS_ID] = 0
    levels = [Level.unigrams(unigrams)]
    parts = Parts(stream, vocab_size=vocab_size, workers=workers) if order > 1 else None
    for n in range(2, order + 1):
        tell(n)
        assert parts is not None
        level = parts.level(n, arena, last=n == order and owned >= len(stream))
        for place in range(owned, len(stream) - n + 1):
            if BOS_ID not in stream[place + 1 : place + n]:
                level.count[parts.row_at[place]] -= 1
        levels.append(level)
    return levels
