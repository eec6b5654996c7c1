"""Selects held-out rows of a training text: a seeded choice, with equal rows always on the same side.

A model needs no skill to predict a text that it has seen, so equal texts form a group that is held out entirely or not at
all. Texts are equal if they differ only in case, white space and compatibility forms (Unicode's NFKC). Rows of tokens are
equal if their tokens are.
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
    """Keys of lines, uint64 [N]; equal lines have equal keys. blocks: lines, each ended by a line feed."""
    parts = [np.zeros(0, np.uint64)]
    for block in blocks:
        text = nfc(block.decode().casefold())
        split = Split(unicodedata.normalize("NFKC", text).encode())
        parts.append(_keys(split.hashes, split.line_words))
    return np.concatenate(parts)


def keys_of_rows(stream: np.ndarray) -> np.ndarray:
    """Keys of the rows of a stream of tokens (int32 [T], `<s>` before each row), uint64 [rows]; equal rows have equal keys."""
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
    """A mask of about `count` rows, bool [N]: groups of equal keys, in random order, as long as they fit.

    Selects the smallest group if none fits, and no row if all are equal.
    """
    group, sizes = _grouped(keys)
    chosen = np.zeros(len(sizes), bool)
    if len(sizes) > 1:
        order = rng.permutation(len(sizes))
        chosen[order[_fill(sizes[order], count)]] = True
        if not chosen.any():
            chosen[order[sizes[order].argmin()]] = True
    return chosen[group]


def by_label(keys: np.ndarray, targets: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The same, stratified by label, bool [N]: exactly `count` rows if no texts are equal.

    targets: int [N], the labels. At least one text of each label remains for training; selects no row if that is
    impossible.
    """
    group, sizes = _grouped(keys)
    kept = _one_of_each_label(group, sizes, targets, rng)
    label = np.empty(len(sizes), targets.dtype)
    label[group[::-1]] = targets[::-1]  # a group has the label of its first text
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
    left = rng.permutation(order[~chosen[order]])  # groups may be larger than their label's quota
    chosen[left[_fill(sizes[left], count - int(sizes[chosen].sum()))]] = True
    if not chosen.any() and len(order):
        chosen[order[sizes[order].argmin()]] = True
    return chosen[group]


def largest_remainders(weights: np.ndarray, count: int, *, most: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Divides `count` in proportion to the weights (Hamilton's method), int64 [C]; ties are broken at random, and no share
    exceeds `most`.

    For weights 5, 5, 5 and 10 and a count of 3 the result is 1, 0, 1 and 1, or another order of the first three.
    """
    exact = weights * (count / max(weights.sum(), 1))
    seats = np.minimum(np.floor(exact).astype(np.int64), most)
    lots = rng.permutation(len(seats))
    while (left := count - int(seats.sum())) > 0 and len(free := lots[seats[lots] < most[lots]]):
        seats[free[np.argsort(seats[free] - exact[free], kind="stable")[:left]]] += 1
    return seats


def _keys(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Hashes of the rows of `values` (uint64 [T]), which depend on the values and their order."""
    ends = np.cumsum(lengths)
    sums = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum(_mixed(values + _PLACE * places(lengths).astype(np.uint64)))]
    )
    return _mixed(sums[ends] - sums[ends - lengths] + lengths.astype(np.uint64))


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(31))) * _SPREAD
    return (values ^ (values >> np.uint64(29))) * _PLACE


def _grouped(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group of each row, int64 [N], numbered by first occurrence, and the size of each group, int64 [G]."""
    _, first, group, sizes = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[group], sizes[order]


def _fill(sizes: np.ndarray, count: int) -> np.ndarray:
    """A mask of the groups to take, one after another, skipping those that no longer fit."""
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
    """A mask of groups that remain for training, bool [G], so that every label has a text. Rare labels come first, since one
    group may serve two labels."""
    rows = np.argsort(group, kind="stable")
    ends = np.cumsum(sizes)
    shuffled = rng.permutation(len(group))
    labels, first = np.unique(targets[shuffled], return_index=True)
    # pairs of a label and a group that has it
    pairs = np.unique(targets * np.int64(len(sizes)) + group) // max(len(sizes), 1)
    kept, covered = np.zeros(len(sizes), bool), np.zeros(int(targets.max(initial=-1)) + 1, bool)
    for k in np.argsort(np.bincount(pairs)[labels], kind="stable"):
        if not covered[labels[k]]:
            own = group[shuffled[first[k]]]
            kept[own] = True
            covered[targets[rows[ends[own] - sizes[own] : ends[own]]]] = True
    return kept
