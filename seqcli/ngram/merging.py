"""Merges the counts of parts of a corpus: equal n-grams become one row, and their counts are added.

Order by order, a row of a part is identified by the merged row of its prefix and its word, packed into 64 bits; the sorted
keys of the parts are merged, and each part looks up the merged rows of its own rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seqcli.errors import InputError
from seqcli.interfaces import SILENT, Reporter
from seqcli.ngram.arena import Arena
from seqcli.ngram.level import Level, row_type


def merged_levels(
    parts: Sequence[list[Level]], *, vocab_size: int, arena: Arena, words: Sequence[np.ndarray] | None = None,
    reporter: Reporter = SILENT,
) -> list[Level]:  # fmt: skip
    """The merged levels of all parts; those of the parts are consumed.

    words: for each part, the merged id of each of its ids; None if they are the same. Raises InputError if a prefix and a
    word need more than 64 bits.
    """
    unigrams = np.zeros(vocab_size, np.int64)
    # the merged row of each row of a part
    rows = [np.arange(vocab_size) for _ in parts] if words is None else list(words)
    for levels, row in zip(parts, rows, strict=True):
        np.add.at(unigrams, row, levels[0].count)
    kind = np.uint32 if int(unigrams.sum()) < 1 << 32 else np.int64
    merged, order = [Level.unigrams(unigrams)], len(parts[0])
    for n in range(2, order + 1):
        reporter.progress(f"merging {n}-grams", n - 2, order - 1)
        bits = _word_bits(n, prefixes=len(merged[-1]), vocab_size=vocab_size)
        suffix_type = row_type(len(merged[-1]))
        runs: list[tuple[np.ndarray, ...]] = []
        keys_of = []
        for k, levels in enumerate(parts):
            level = levels[n - 1]
            keys = _keys(level, rows[k], None if words is None else words[k], bits, arena)
            suffix = arena.empty(len(level), suffix_type)
            for begin in range(0, len(level), arena.rows):
                suffix[begin : begin + arena.rows] = rows[k][level.suffix[begin : begin + arena.rows]]
            run = keys, level.count, suffix
            runs.extend([run] if words is None else _sorted_runs(run, arena))
            keys_of.append(keys)
            levels[n - 1] = Level.unigrams(np.zeros(0, np.int64))  # release it
        size, made = sum([len(run[0]) for run in runs]), 0
        whole = arena.empty(size, np.uint64), arena.empty(size, kind), arena.empty(size, suffix_type)
        for part in merged_runs(runs, arena.runs):
            for column, piece in zip(whole, part, strict=True):
                column[made : made + len(piece)] = piece
            made += len(part[0])
        del runs
        keys, counts, suffix = (column[:made] for column in whole)
        arena.rest()
        for k, own in enumerate(keys_of):
            if n < order:
                rows[k] = arena.empty(len(own), row_type(made))
                for begin in range(0, len(own), arena.rows):
                    rows[k][begin : begin + arena.rows] = np.searchsorted(keys, own[begin : begin + arena.rows])
        merged.append(_level(keys, counts, suffix, prefixes=len(merged[-1]), bits=bits, arena=arena))
        arena.rest()
    return merged


def _word_bits(n: int, *, prefixes: int, vocab_size: int) -> int:
    """The number of bits for a word, below those of a prefix row. Raises InputError if both need more than 64 bits."""
    bits = (vocab_size - 1).bit_length()
    if bits + (prefixes - 1).bit_length() > 64:
        raise InputError(f"too many {n}-grams to pack into 64 bits", cure="lower --order or --vocab-size")
    return bits


def _keys(level: Level, rows: np.ndarray, words: np.ndarray | None, bits: int, arena: Arena) -> np.ndarray:
    """(merged row of the prefix, merged word) of each row of a part's level."""
    keys = arena.empty(len(level), np.uint64)
    for begin in range(0, len(level), arena.rows):
        end = min(begin + arena.rows, len(level))
        first, last = np.searchsorted(level.children, [begin, end - 1], side="right") - 1
        prefix = np.repeat(rows[first : last + 1], np.diff(np.clip(level.children[first : last + 2], begin, end)))
        word = level.word[begin:end] if words is None else words[level.word[begin:end]]
        keys[begin:end] = (prefix.astype(np.uint64) << np.uint64(bits)) | word.astype(np.uint64)
    return keys


def _sorted_runs(run: tuple[np.ndarray, ...], arena: Arena) -> Iterator[tuple[np.ndarray, ...]]:
    """Columns with unsorted and possibly equal keys, as sorted runs of distinct keys."""
    for begin in range(0, len(run[0]), arena.runs):
        piece = tuple(column[begin : begin + arena.runs] for column in run)
        combined = _combined(*piece)
        stored = tuple(arena.empty(len(column), column.dtype) for column in combined)
        for place, column in zip(stored, combined, strict=True):
            place[:] = column
        yield stored


def merged_runs(runs: Sequence[tuple[np.ndarray, ...]], rows: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Merges sorted runs of (key, count, suffix) into sorted distinct keys with summed counts, about `rows` at a time."""
    places = [0] * len(runs)
    share = max(1, rows // max(1, len(runs)))
    while True:
        open_runs = [i for i, run in enumerate(runs) if places[i] < len(run[0])]
        if not open_runs:
            return
        # Keys up to the smallest last key of all windows are complete.
        limit = min(runs[i][0][min(places[i] + share, len(runs[i][0])) - 1] for i in open_runs)
        parts = []
        for i in open_runs:
            window = runs[i][0][places[i] : places[i] + share]
            taken = int(np.searchsorted(window, limit, side="right"))
            parts.append(tuple(array[places[i] : places[i] + taken] for array in runs[i]))
            places[i] += taken
        yield _combined(*(np.concatenate([part[k] for part in parts]) for k in range(3)))


def _combined(keys: np.ndarray, counts: np.ndarray, suffix: np.ndarray) -> tuple[np.ndarray, ...]:
    """The rows sorted by key, with equal keys merged."""
    order = np.argsort(keys, kind="stable")  # a stable sort uses runs that are already sorted
    keys = keys[order]
    new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    begins = np.flatnonzero(new)
    counts = np.add.reduceat(counts[order], begins, dtype=np.int64) if len(begins) else counts
    return keys[begins], counts, suffix[order[begins]]


def _level(
    keys: np.ndarray, counts: np.ndarray, suffix: np.ndarray, *, prefixes: int, bits: int, arena: Arena
) -> Level:  # fmt: skip
    rows = len(keys)
    word = arena.empty(rows, np.uint32)
    children = arena.full(prefixes + 1, 0, row_type(rows))
    mask = np.uint64((1 << bits) - 1)
    for begin in range(0, rows, arena.rows):
        part = keys[begin : begin + arena.rows]
        word[begin : begin + len(part)] = part & mask
        prefix = (part >> np.uint64(bits)).astype(np.int64)
        first, last = int(prefix[0]), int(prefix[-1])
        children[first + 1 : last + 2] += np.bincount(prefix - first).astype(children.dtype)
    np.cumsum(children, out=children)
    return Level(word, counts, suffix, children)
