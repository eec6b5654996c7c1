"""The n-gram table: a trie of arrays that is searched for whole batches at once.

Row r of order n is an n-gram: a prefix (a row of order n - 1) and a last word. Rows are sorted by prefix and then
word, so the n-grams with prefix p are the slice `children[p] : children[p + 1]`, and the words in it ascend. With
"which row of order n - 1 ends at t" known for all t, order n takes a binary search in all the slices at once; a
lookup is exact, there are no hashes. Every n-gram has its prefix; its suffix may be missing, as in pruned models.

The same arrays are the file: they are mapped into memory, opening a model reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from seqcli.errors import ModelError
from seqcli.text import BOS_ID

_CHUNK = 1 << 16  # number of tokens to score at a time, so that temporary arrays stay in the cache


class Column(Protocol):
    """A column of a table: an array, or anything that can be indexed like one (by rows, slices or a number) and converted to
    one."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __array__(self) -> np.ndarray: ...


@dataclass(slots=True)
class Table:
    """A back-off model of order N. The columns here are arrays; `quantised` has others.

    words[n]: uint32 [R_n], last words of the n-grams of order n + 1, for n >= 1 (words[0] is empty: ids are rows);
    children[n]: [R_n + 1], slices of order n + 2 by rows of order n + 1, for n < N - 1;
    log_prob[n]: float32 [R_n]; log_backoff[n]: float32 [R_n] for n < N - 1.
    """

    order: int
    words: list[Column]
    children: list[Column]
    log_prob: list[Column]
    log_backoff: list[Column]

    precision = "fp32"

    @classmethod
    def empty(cls, order: int) -> Self:
        return cls(order, [], [], [], [])

    @property
    def vocab_size(self) -> int:
        return len(self.log_prob[0])

    @property
    def sizes(self) -> list[int]:
        """The number of n-grams of each order."""
        return [len(p) for p in self.log_prob]

    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays by their names in a file."""
        named = {}
        for n in range(self.order):
            named[f"order{n + 1}.log_prob"] = self.log_prob[n]
            if n:
                named[f"order{n + 1}.words"] = self.words[n]
            if n < self.order - 1:
                named[f"order{n + 1}.log_backoff"] = self.log_backoff[n]
                named[f"order{n + 1}.children"] = self.children[n]
        return {name: np.asarray(column) for name, column in named.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], *, order: int, vocab_size: int) -> Self:
        """Checks and opens a table. Raises ModelError if the arrays are not a table of this order and vocabulary."""
        table = cls.empty(order)
        try:
            table._read(tensors)
            for n, children in enumerate(table.children):
                if children[0] != 0 or children[len(children) - 1] != len(table.log_prob[n + 1]):
                    raise ValueError(f"children of order {n + 1}")
            if table.vocab_size != vocab_size:
                raise ValueError(f"{table.vocab_size} unigrams for a vocabulary of {vocab_size}")
        except (KeyError, ValueError, IndexError) as error:
            raise ModelError(f"damaged n-gram table ({error})", cure="restore the file or train again") from None
        return table

    def _read(self, tensors: dict[str, np.ndarray]) -> None:
        """The columns in `tensors`. Raises KeyError or ValueError if one is missing or invalid."""
        for n in range(self.order):
            self.log_prob.append(checked(tensors[f"order{n + 1}.log_prob"], np.float32))
            rows = len(self.log_prob[n])
            self.words.append(checked(tensors[f"order{n + 1}.words"], np.uint32, rows) if n else np.zeros(0, np.uint32))
            if n < self.order - 1:
                self.log_backoff.append(checked(tensors[f"order{n + 1}.log_backoff"], np.float32, rows))
                self.children.append(checked(tensors[f"order{n + 1}.children"], np.integer, rows + 1))

    def find(self, n: int, prefix: np.ndarray, word: np.ndarray) -> np.ndarray:
        """Rows of order n (2 ... N) for prefixes [Q] (rows of order n - 1, none negative) and words [Q]; -1 if absent."""
        children, words = self.children[n - 2], self.words[n - 1]
        if not len(words):
            return np.full(len(prefix), -1, np.int64)
        row = children[prefix].astype(np.int64)
        count = children[prefix + 1] - row
        empty = count <= 0
        np.minimum(count, word.astype(np.int64) + 1, out=count)  # at most w words precede word w
        # Bisect [row, row + count), keeping the last entry that is not above the word.
        left = np.flatnonzero(count > 1)
        low, size, target = row[left], count[left], word[left]
        while len(left):
            half = size >> 1
            middle = low + half
            low = np.where(words[middle] <= target, middle, low)
            size -= half
            more = np.flatnonzero(size > 1)
            if len(more) < 0.75 * len(left):  # finished queries are removed in groups: each removal copies
                row[left] = low
                left, low, size, target = left[more], low[more], size[more], target[more]
        np.minimum(row, len(words) - 1, out=row)
        row[empty | (words[row] != word)] = -1
        return row

    def score(self, stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Natural log p of every token of `stream` given those before it, and the length of the n-gram that gave it.

        stream: int32 [T]; `<s>` begins a row: nothing before it counts, and its own entry means nothing.
        Returns float32 [T] and int8 [T].
        """
        log_prob, order = np.empty(len(stream), np.float32), np.empty(len(stream), np.int8)
        for begin in range(0, len(stream), _CHUNK):
            before = min(begin, self.order - 1)  # context of the first tokens of a chunk
            part = stream[begin - before : begin + _CHUNK]
            lp, o = self._score(part)
            log_prob[begin : begin + _CHUNK], order[begin : begin + _CHUNK] = lp[before:], o[before:]
        return log_prob, order

    def _score(self, stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        best = stream.astype(np.int64)  # the row of the longest n-gram that ends at t
        matched = np.ones(len(stream), np.int8)
        weight = np.zeros(len(stream), np.float32)  # sum of the back-offs of contexts longer than the match
        word = stream.astype(np.uint32)
        followed = np.append(stream[1:] != BOS_ID, False)  # whether the next token is in the same row
        ends = np.flatnonzero(followed)
        at, prefix = ends + 1, best[ends]  # predictions after contexts of n - 1 tokens, and the rows of these contexts
        for n in range(2, self.order + 1):
            rows = self.find(n, prefix, word[at])
            hit, miss = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
            weight[at[miss]] += self.log_backoff[n - 2][prefix[miss]]
            rows, hits = rows[hit], at[hit]
            best[hits] = rows
            weight[hits] = 0
            matched[hits] = n
            # Every n-gram found is a context, whether or not its suffixes are n-grams: pruning may have removed those.
            on = followed[hits]
            at, prefix = hits[on] + 1, rows[on]
        log_prob = weight
        for n in range(1, self.order + 1):
            chosen = np.flatnonzero(matched == n)
            log_prob[chosen] += self.log_prob[n - 1][best[chosen]]
        return log_prob, matched

    def distribution(self, context: np.ndarray) -> np.ndarray:
        """p(w | context) for every word: float64 [V], 0 for `<s>`. context: int [C], `<s>` first if it is a beginning."""
        return np.exp(self.log_distributions(np.asarray(context, np.int64)[None])[0])

    def log_distributions(self, contexts: np.ndarray) -> np.ndarray:
        """Natural log p(w | context) for every word after every context: float64 [B, V], -inf for `<s>`.

        contexts: int [B, C], right-aligned; -1 where a shorter one has nothing yet.
        """
        contexts = contexts[:, max(0, contexts.shape[1] - self.order + 1) :].astype(np.int64)
        log_p = np.tile(np.asarray(self.log_prob[0]).astype(np.float64), (len(contexts), 1))
        rows = contexts  # the row of order n that ends in a column, -1 if there is none
        for n in range(1, contexts.shape[1] + 1):  # increasingly long contexts that end here
            if n > 1:
                prefix, word = rows[:, :-1], contexts[:, n - 1 :]
                at = prefix >= 0
                rows = np.full(prefix.shape, -1, np.int64)
                rows[at] = self.find(n, prefix[at], word[at].astype(np.uint32))
            for b in np.flatnonzero(rows[:, -1] >= 0):  # a shorter context may be missing even if a longer one is not
                row = rows[b, -1]
                begin, end = (int(c) for c in self.children[n - 1][row : row + 2])
                log_p[b] += self.log_backoff[n - 1][row]
                log_p[b, self.words[n][begin:end]] = self.log_prob[n][begin:end]
        log_p[:, BOS_ID] = -np.inf
        return log_p


def checked(array: np.ndarray, kind, rows: int | None = None) -> np.ndarray:
    """A column in a file. Raises ValueError for a wrong shape, length or type."""
    if array.ndim != 1 or not np.issubdtype(array.dtype, kind) or rows not in (None, len(array)):
        raise ValueError("wrong shape or type")
    return array
