"""Divides the positions of a text into parts that fit into the cache, and sorts each part by one more word at every order."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from seqcli.ngram.arena import Arena
from seqcli.ngram.level import Level, row_type
from seqcli.system.workers import in_threads
from seqcli.text import BOS_ID

_PART = 1 << 16  # number of positions to process at a time, so that they stay in the second-level cache
_BLOCK = 1 << 18  # number of positions to divide at a time
_MOST_PARTS = 1 << 12

Item = TypeVar("Item")
Result = TypeVar("Result")


class Parts:
    """Positions of `stream` (int32 [T]) at which an n-gram begins, each with the row of that n-gram.

    places: [P], ascending within each part, of which the first `sizes[k]` from `edges[k]` on are in use; rank: [P], the row
    within those of the part. All n-grams of a part come before those of the next.
    """

    def __init__(self, stream: np.ndarray, *, vocab_size: int, workers: int):
        self.stream, self.vocab_size, self.workers = stream, vocab_size, workers
        self.dtype: Any = np.int32 if max(len(stream), vocab_size) < 2**31 else np.int64
        edges, self.first_words = self._divide()
        self._split(edges)
        self.rank = np.empty(len(self.places), np.int32)
        # row of the n-gram that begins there, after the pass of order n
        self.row_at = np.empty(len(stream), self.dtype)
        self.rows = np.zeros(0, np.int64)  # number of rows of each part, after the last pass

    # --- dividing the positions ---------------------------------------------------------------------------------------

    def _divide(self) -> tuple[np.ndarray, np.ndarray]:
        """Fills `places` by first words; returns the beginning of each part and its smallest first word."""
        stream, begins = self.stream, range(0, len(self.stream), _BLOCK)

        def block(begin: int) -> tuple[np.ndarray, np.ndarray]:
            """Words that are followed by another, and their positions."""
            words, following = stream[begin : begin + _BLOCK], stream[begin + 1 : begin + _BLOCK + 1]
            at = np.flatnonzero(following != BOS_ID)
            return words[at], at

        def word_counts(begin: int) -> np.ndarray:
            return np.bincount(block(begin)[0], minlength=self.vocab_size)

        total = np.zeros(self.vocab_size, np.int64)
        for counts in in_threads(word_counts, begins, self.workers):
            total += counts
        size = max(_PART, int(total.sum()) // (_MOST_PARTS // 2))
        crowded = (np.cumsum(total) - total) // size
        begun = np.append(True, crowded[1:] != crowded[:-1])
        part_of, parts = (np.cumsum(begun) - 1).astype(np.uint16), int(begun.sum())

        def part_counts(begin: int) -> np.ndarray:
            return np.bincount(part_of[block(begin)[0]], minlength=parts)

        sizes = np.stack([*in_threads(part_counts, begins, self.workers)] or [np.zeros(parts, np.int64)])
        edges = np.append(0, np.cumsum(sizes.sum(0)))
        offsets = edges[:-1] + np.cumsum(sizes, 0) - sizes  # [blocks, parts]
        self.places = np.empty(int(edges[-1]), self.dtype)

        def fill(number: int) -> None:
            words, at = block(begins[number])
            found = (at[_order(part_of[words])] + begins[number]).astype(self.dtype)
            ends = np.cumsum(sizes[number])
            for end, length, offset in zip(
                ends.tolist(), sizes[number].tolist(), offsets[number].tolist(), strict=True
            ):
                if length:
                    self.places[offset : offset + length] = found[end - length : end]

        for _ in in_threads(fill, range(len(begins)), self.workers):
            pass
        return edges, np.flatnonzero(begun)

    def _split(self, edges: np.ndarray) -> None:
        """Divides large parts, those of frequent words, by their second words; sets `edges`, `sizes` and `firsts`."""

        def split(part: int) -> np.ndarray:
            """The ends of its parts."""
            begin, end = int(edges[part]), int(edges[part + 1])
            if end - begin <= 2 * _PART:
                return edges[part + 1 : part + 2]
            places = self.places[begin:end]
            keys = (self.stream[places] - self.first_words[part]).astype(np.uint64) * np.uint64(self.vocab_size)
            keys += self.stream[places + 1].astype(np.uint64)
            sample = np.sort(keys[:: 1 + (len(keys) >> 16)])
            cuts = np.unique(sample[:: max(1, len(sample) * _PART // len(keys))][1:])
            chosen = np.searchsorted(cuts, keys, side="right")
            self.places[begin:end] = places[_order(*_digits(chosen, len(cuts) + 1))]
            return begin + np.cumsum(np.bincount(chosen, minlength=len(cuts) + 1))

        ends = [*in_threads(split, range(len(edges) - 1), self.workers)]
        self.firsts = np.repeat(self.first_words, [len(each) for each in ends])
        whole = np.concatenate([np.zeros(1, np.int64), *ends])
        self.edges, self.sizes = whole[:-1], np.diff(whole)

    # --- one order ----------------------------------------------------------------------------------------------------

    def level(self, n: int, arena: Arena, *, last: bool = False) -> Level:
        """The n-grams of order n = 2, 3 ..., to be called once for each in turn. last: `places` and `row_at` are not needed
        any more."""
        below = self.rows
        bases = np.cumsum(below) - below if n > 2 else self.firsts
        prefixes = int(below.sum()) if n > 2 else self.vocab_size
        columns = [np.empty(len(self.places), kind) for kind in (np.uint32, np.uint32, self.dtype)]
        children = arena.full(prefixes + 1, 0, self.dtype)

        def sort(part: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
            return self._sort(n, part)

        starts, total = [], 0
        for part, (made, children_of) in enumerate(in_threads(sort, range(len(self.edges)), self.workers)):
            starts.append(total)
            base = int(bases[part]) + 1
            children[base : base + len(children_of)] += children_of  # parts may share a first word
            end = total + len(made[0])
            for column, values in zip(columns, made, strict=True):
                column[total:end] = values
            total = end
        np.cumsum(children, out=children)
        edges: Any = np.array([*starts, total], np.int64)
        self.rows = np.diff(edges)

        def place(part: int) -> None:
            at = self.places[self.edges[part] :][: self.sizes[part]]
            self.row_at[at] = self.rank[self.edges[part] :][: self.sizes[part]] + self.dtype(starts[part])

        if last:
            self.places = self.rank = self.row_at = np.empty(0, self.dtype)
        else:
            for _ in in_threads(place, range(len(self.edges)), self.workers):
                pass
        word, count, suffix = (arena.shrunk(columns.pop(0), total) for _ in range(3))
        return Level(word, count, suffix, children.astype(row_type(total), copy=False))

    def _sort(self, n: int, part: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Sorts a part by its n-th words and writes the rows of its positions into `rank`.

        Returns word, count and suffix of the rows, and the number of children of each prefix in the part.
        """
        begin, size = int(self.edges[part]), int(self.sizes[part])
        places = self.places[begin : begin + size]
        word = self.stream.take(places + (n - 1), mode="clip")
        if n == 2:
            rank = self.stream.take(places) - self.dtype(self.firsts[part])
            prefixes = int(rank.max()) + 1 if size else 0
        else:
            rank, prefixes = self.rank[begin : begin + size], int(self.rows[part])
            word[np.searchsorted(places, len(self.stream) - (n - 1)) :] = BOS_ID  # past the end
            here = np.flatnonzero(word != BOS_ID)
            if len(here) < size:
                places, word, rank, size = places[here], word[here], rank[here], len(here)
                self.places[begin : begin + size] = places
                self.sizes[part] = size
        order = _order(*_digits(word, self.vocab_size), *_digits(rank, prefixes))
        word, rank = word[order], rank[order]
        new = np.ones(size, bool)
        np.not_equal(word[1:], word[:-1], out=new[1:])
        new[1:] |= rank[1:] != rank[:-1]
        begins = np.flatnonzero(new)
        self.rank[begin : begin + size][order] = np.cumsum(new, dtype=np.int32) - np.int32(1)
        words = word[begins].view(np.uint32)
        counts = np.diff(begins, append=size)
        suffixes = words if n == 2 else self.row_at[places[order[begins]] + 1]
        return (words, counts, suffixes), np.bincount(rank[begins], minlength=prefixes)


def _digits(values: np.ndarray, bound: int) -> list[np.ndarray]:
    """Values below `bound` as 16-bit digits, lowest first."""
    return [
        (values >> shift if shift else values).astype(np.uint16)
        for shift in range(0, (bound - 1).bit_length() or 1, 16)
    ]


def _order(*digits: np.ndarray) -> np.ndarray:
    """The permutation that sorts by digits, most significant last, stably: numpy sorts 16-bit numbers by counting, several
    times as fast as 64-bit numbers by comparison."""
    order = np.argsort(digits[0], kind="stable")
    for digit in digits[1:]:
        order = order[np.argsort(digit[order], kind="stable")]
    return order
