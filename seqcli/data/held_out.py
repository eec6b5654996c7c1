"""What is held out of a training text to judge the model on: a seeded choice of rows, equal rows always on one side.

A model that has seen a text needs no skill to predict it, so equal texts are one group, and a group is held out whole or
not at all. Texts are equal where no tokenizer here need tell them apart: case, white space and compatibility forms
(Unicode's NFKC) do not count. Rows that are tokens already are equal where their tokens are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np

from seqcli.text import nfc
from seqcli.token_batch import places, rows_of
from seqcli.tokenizers.words import Split

_AT_ONCE = 1 << 20  # tokens
_PLACE, _SPREAD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


def keys_of_texts(blocks: Iterable[bytes]) -> np.ndarray:
    """uint64 [N], the same for equal lines. blocks: lines, each ended by a line feed."""
    parts = [np.zeros(0, np.uint64)]
    for block in blocks:
        text = nfc(block.decode().casefold())
        split = Split(unicodedata.normalize("NFKC", text).encode())
        parts.append(_keys(split.hashes, split.line_words))
    return np.concatenate(parts)


def keys_of_rows(stream: np.ndarray) -> np.ndarray:
    """uint64 [rows], the same for equal rows of a stream of tokens, int32 [T] with `<s>` before each."""
    starts, lengths = rows_of(stream)
    lengths += 1  # `<s>`
    parts, row = [np.zeros(0, np.uint64)], 0
    while row < len(starts):
        stop = max(row + 1, int(np.searchsorted(starts, starts[row] + _AT_ONCE)))
        end = starts[stop] if stop < len(starts) else len(stream)
        parts.append(_keys(np.asarray(stream[starts[row] : end]).astype(np.uint64), lengths[row:stop]))
        row = stop
    return np.concatenate(parts)


def by_group(keys: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """About `count` rows, bool [N]: groups of equal keys, in random order, as long as they fit. The smallest group if none
    does; no row where all are equal."""
    group, sizes = _grouped(keys)
    chosen = np.zeros(len(sizes), bool)
    if len(sizes) > 1:
        order = rng.permutation(len(sizes))
        chosen[order[_fill(sizes[order], count)]] = True
        if not chosen.any():
            chosen[order[sizes[order].argmin()]] = True
    return chosen[group]


def by_label(keys: np.ndarray, targets: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The same, of every label in its share, bool [N]: `count` rows exactly where no texts are equal.

    targets: int [N], the labels. Each keeps a text to be learnt from; no row is chosen where that leaves none.
    """
    group, sizes = _grouped(keys)
    kept = _one_of_each_label(group, sizes, targets, rng)
    label = np.empty(len(sizes), targets.dtype)
    label[group[::-1]] = targets[::-1]  # a group counts as its first text does
    labels = int(targets.max(initial=-1)) + 1
    spare = np.bincount(label, np.where(kept, 0, sizes), minlength=labels).astype(np.int64)
    quotas = largest_remainders(np.bincount(label, sizes, minlength=labels), count, most=spare, rng=rng)
    order = rng.permutation(np.flatnonzero(~kept))
    order = order[np.argsort(label[order], kind="stable")]
    ends = np.cumsum(np.bincount(label[order], minlength=labels))
    chosen = np.zeros(len(sizes), bool)
    for quota, end, start in zip(quotas.tolist(), ends, [0, *ends[:-1]]):
        own = order[start:end]
        chosen[own[_fill(sizes[own], quota)]] = True
    left = rng.permutation(order[~chosen[order]])  # groups may be too large for their label's quota
    chosen[left[_fill(sizes[left], count - int(sizes[chosen].sum()))]] = True
    if not chosen.any() and len(order):
        chosen[order[sizes[order].argmin()]] = True
    return chosen[group]


def largest_remainders(weights: np.ndarray, count: int, *, most: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`count` seats in proportion to weights (Hamilton's method), int64 [C], ties by lot; never more than `most` of each.

    Weights 5, 5, 5 and 10 and a count of 3 give 1, 0, 1 and 1, or another order of the first three.
    """
    exact = weights * (count / max(weights.sum(), 1))
    seats = np.minimum(np.floor(exact).astype(np.int64), most)
    lots = rng.permutation(len(seats))
    while (left := count - int(seats.sum())) > 0 and len(free := lots[seats[lots] < most[lots]]):
        seats[free[np.argsort(seats[free] - exact[free], kind="stable")[:left]]] += 1
    return seats


def _keys(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Hashes of the rows of `values` (uint64 [T]): of what stands in them, and where."""
    ends = np.cumsum(lengths)
    sums = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum(_mixed(values + _PLACE * places(lengths).astype(np.uint64)))]
    )
    return _mixed(sums[ends] - sums[ends - lengths] + lengths.astype(np.uint64))


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(31))) * _SPREAD
    return (values ^ (values >> np.uint64(29))) * _PLACE


def _grouped(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group of each row, int64 [N], in the order in which they first occur, and how many rows each has, int64 [G]."""
    _, first, group, sizes = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[group], sizes[order]


def _fill(sizes: np.ndarray, count: int) -> np.ndarray:
    """Which groups to take, bool: one after another, without those that no longer fit."""
    taken = np.zeros(len(sizes), bool)
    while len(fits := np.flatnonzero(~taken & (sizes <= count))):
        sums = np.cumsum(sizes[fits])
        number = int(np.searchsorted(sums, count, side="right"))
        taken[fits[:number]] = True
        count -= int(sums[number - 1])
    return taken


def _one_of_each_label(
    group: np.ndarray, sizes: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Groups that stay, bool [G]: with them every label has a text. Labels of few groups first, as one may do for two."""
    rows = np.argsort(group, kind="stable")
    ends = np.cumsum(sizes)
    shuffled = rng.permutation(len(group))
    labels, first = np.unique(targets[shuffled], return_index=True)
    pairs = np.unique(targets * np.int64(len(sizes)) + group) // max(len(sizes), 1)  # a label and a group that has it
    kept, covered = np.zeros(len(sizes), bool), np.zeros(int(targets.max(initial=-1)) + 1, bool)
    for k in np.argsort(np.bincount(pairs)[labels], kind="stable"):
        if not covered[labels[k]]:
            own = group[shuffled[first[k]]]
            kept[own] = True
            covered[targets[rows[ends[own] - sizes[own] : ends[own]]]] = True
    return kept
