"""Counting n-grams of every order by sorting packed keys.

An n-gram is its prefix and its last word, and the prefix is a row of the order below. So a pass over the corpus
turns "which (n-1)-gram ends at t" into "which n-gram ends at t": pack (prefix row, word) into 64 bits, sort, and
the ranks of the distinct keys are the rows. `"a b a b c"` with `<s>` in front has the bigram keys (<s>,a) (a,b)
(b,a) (a,b) (b,c): four rows, (a,b) counted twice. Rows come out sorted by prefix, so the children of a prefix are
one slice, and `suffix` (the row of the n-gram without its first word) is what ended at t one pass before.

Corpora larger than memory go through the same pass chunk by chunk: every chunk's distinct keys are written as a
sorted run, the runs are merged, and each chunk looks its rows up in the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.errors import InputError
from seqcli.interfaces import SILENT, Reporter
from seqcli.ngram.arena import Arena
from seqcli.text import BOS_ID


@dataclass(slots=True)
class Level:
    """All n-grams of one order, R rows sorted by (prefix, word).

    word: uint32 [R]; count: int64 [R], how often it occurs; suffix: [R], its row one order below without its first
    word; children: [rows below + 1], `children[p] : children[p + 1]` are the rows with prefix p. Order 1 has the
    vocabulary's ids as rows; its word, suffix and children are empty.
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


def count(stream: np.ndarray, *, vocab_size: int, order: int, arena: Arena, reporter: Reporter = SILENT) -> list[Level]:
    """The n-grams of orders 1 to `order` in `stream` (int32 [T], `<s>` in front of every row's tokens).

    `<s>` starts n-grams and never ends one, except as the unigram that is the prefix of the others (count 0).
    """
    dtype = np.int32 if max(len(stream), vocab_size) < 2**31 else np.int64
    unigrams = arena.full(vocab_size, 0, np.int64)
    for begin in range(0, len(stream), arena.rows):
        np.add(unigrams, np.bincount(stream[begin : begin + arena.rows], minlength=vocab_size), out=unigrams)
    unigrams[BOS_ID] = 0
    levels = [Level.unigrams(unigrams)]
    ending = stream  # the row of the (n-1)-gram that ends at t, -1 where none does
    for n in range(2, order + 1):
        reporter.progress(f"counting {n}-grams", n - 2, order - 1)
        pass_ = _Pass(stream, ending, n, len(levels[-1]), vocab_size, dtype, arena)
        level, ending = pass_.at_once() if arena.chunk >= len(stream) else pass_.by_runs()
        levels.append(level)
        arena.rest()
    return levels


class _Pass:
    """From the (n-1)-grams that end at every token to the n-grams that do."""

    def __init__(self, stream, ending, n, prefixes, vocab_size, dtype, arena):
        self.stream, self.ending, self.n, self.prefixes = stream, ending, n, prefixes
        self.dtype, self.arena = dtype, arena
        self.bits = np.uint64(max(1, (vocab_size - 1).bit_length()))
        if int(self.bits) + max(1, (prefixes - 1).bit_length()) > 64:
            raise InputError(f"too many {n}-grams to pack into 64 bits", cure="lower --order or --vocab-size")

    def _keys(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions in [begin, end) where an n-gram ends, and its packed key."""
        word = self.stream[begin:end]
        before = self.ending[max(begin - 1, 0) : end - 1]
        if begin == 0:
            before = np.concatenate([np.array([-1], before.dtype), before])
        at = np.flatnonzero((word != BOS_ID) & (before >= 0))
        keys = before[at].astype(np.uint64)
        keys <<= self.bits
        keys |= word[at].astype(np.uint64)
        at += begin
        return at, keys

    def _distinct(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The order that sorts `keys`, the sorted keys, and where each distinct one begins."""
        order = np.argsort(keys)
        ordered = keys[order]
        new = np.ones(len(keys), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        return order, ordered, new

    def at_once(self) -> tuple[Level, np.ndarray]:
        at, keys = self._keys(0, len(self.stream))
        order, ordered, new = self._distinct(keys)
        begins = np.flatnonzero(new)
        at = at[order]
        following = np.full(len(self.stream), -1, self.dtype)
        following[at] = np.cumsum(new, dtype=self.dtype) - self.dtype(1)
        counts = np.diff(begins, append=len(ordered))
        return self._level(ordered[begins], counts, self.ending[at[begins]].astype(self.dtype)), following

    def by_runs(self) -> tuple[Level, np.ndarray]:
        chunks = [
            (b, min(b + self.arena.chunk, len(self.stream))) for b in range(0, len(self.stream), self.arena.chunk)
        ]
        runs = [self._run(begin, end) for begin, end in chunks]
        rows = sum(len(run[0]) for run in runs)
        keys, counts = self.arena.empty(rows, np.uint64), self.arena.empty(rows, np.int64)
        suffix, made = self.arena.empty(rows, self.dtype), 0
        for part in merged(runs, self.arena.chunk):
            for whole, piece in zip((keys, counts, suffix), part, strict=True):
                whole[made : made + len(piece)] = piece
            made += len(part[0])
        del runs
        self.arena.rest()
        following = self.arena.full(len(self.stream), -1, self.dtype)
        for begin, end in chunks:
            at, chunk_keys = self._keys(begin, end)
            order, ordered, new = self._distinct(chunk_keys)
            rows_of = np.searchsorted(keys[:made], ordered[new]).astype(self.dtype)
            following[at[order]] = rows_of[np.cumsum(new) - 1]
            self.arena.rest()
        return self._level(keys[:made], counts[:made], suffix[:made]), following

    def _run(self, begin: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at, keys = self._keys(begin, end)
        order, ordered, new = self._distinct(keys)
        begins = np.flatnonzero(new)
        run = ordered[begins], np.diff(begins, append=len(ordered)), self.ending[at[order[begins]]]
        stored = tuple(self.arena.empty(len(array), array.dtype) for array in run)
        for place, array in zip(stored, run, strict=True):
            place[:] = array
        return stored

    def _level(self, keys: np.ndarray, counts: np.ndarray, suffix: np.ndarray) -> Level:
        rows = len(keys)
        word = self.arena.empty(rows, np.uint32)
        children = self.arena.full(self.prefixes + 1, 0, self.dtype)
        mask = (np.uint64(1) << self.bits) - np.uint64(1)
        for begin in range(0, rows, self.arena.rows):
            part = keys[begin : begin + self.arena.rows]
            word[begin : begin + len(part)] = part & mask
            prefix = (part >> self.bits).astype(np.int64)
            first, last = int(prefix[0]), int(prefix[-1])
            children[first + 1 : last + 2] += np.bincount(prefix - first).astype(self.dtype)
        np.cumsum(children, out=children)
        return Level(word, counts, suffix, children)


def merged(runs: Sequence[tuple[np.ndarray, ...]], rows: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Merges sorted runs of (key, count, suffix): keys in order and distinct, counts added, about `rows` at a time."""
    places = [0] * len(runs)
    share = max(1, rows // max(1, len(runs)))
    while True:
        open_runs = [i for i, run in enumerate(runs) if places[i] < len(run[0])]
        if not open_runs:
            return
        # Whatever is not above the smallest last key of the windows is complete.
        limit = min(runs[i][0][min(places[i] + share, len(runs[i][0])) - 1] for i in open_runs)
        parts = []
        for i in open_runs:
            window = runs[i][0][places[i] : places[i] + share]
            taken = int(np.searchsorted(window, limit, side="right"))
            parts.append(tuple(array[places[i] : places[i] + taken] for array in runs[i]))
            places[i] += taken
        key, count_, suffix = (np.concatenate([part[k] for part in parts]) for k in range(3))
        order = np.argsort(key)
        key = key[order]
        new = np.ones(len(key), bool)
        np.not_equal(key[1:], key[:-1], out=new[1:])
        begins = np.flatnonzero(new)
        yield key[begins], np.add.reduceat(count_[order], begins), suffix[order][begins]
