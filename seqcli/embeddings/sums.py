"""Sums of rows of a table of embeddings, for many bags of rows at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqcli.token_batch import TokenBatch

_LONGEST = 32  # maximum number of rows added one by one; longer bags are summed in parts


def sums(take: Callable[[np.ndarray], np.ndarray], bags: TokenBatch, *, dim: int) -> np.ndarray:
    """The sum of the rows of each bag: float32 [B, D], 0 for an empty bag.

    take: returns rows of a table by index, int [n] -> float32 [n, D]. Each step adds one row to every bag. Bags are sorted by size, so
    that those with another row are the first of the array: three times as fast as `np.add.reduceat`.
    """
    lengths, starts = bags.lengths, bags.starts
    if lengths.max(initial=0) > _LONGEST:
        parts = -(-lengths // _LONGEST)
        owner = np.repeat(np.arange(len(parts)), parts)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
        inner = np.minimum(lengths[owner] - place * _LONGEST, _LONGEST)
        table = sums(take, TokenBatch(bags.tokens, inner), dim=dim)
        rows = np.arange(len(owner), dtype=np.int32)
        return sums(lambda ids: table.take(ids, axis=0, mode="clip"), TokenBatch(rows, parts), dim=dim)
    order = np.argsort(np.uint8(_LONGEST) - lengths.astype(np.uint8), kind="stable")
    starts = starts[order]
    total = np.zeros((len(lengths), dim), np.float32)
    active = len(lengths) - np.searchsorted(lengths[order[::-1]], np.arange(lengths.max(initial=0)), side="right")
    for k, count in enumerate(active.tolist()):
        total[:count] += take(bags.tokens[starts[:count] + k])
    out = np.empty_like(total)
    out[order] = total
    return out


def means(table: np.ndarray, bags: TokenBatch) -> np.ndarray:
    """The mean of the rows of `table` [n, D] in each bag: float32 [B, D], 0 for an empty bag."""
    total = sums(
        lambda ids: table[ids], bags, dim=table.shape[1]
    )  # `take` would copy the whole table if it is mapped and not aligned
    return total / np.maximum(bags.lengths, 1)[:, None].astype(np.float32)
