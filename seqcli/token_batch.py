"""Rows of tokens, packed one after another, and everything that is done with them.

Three forms: a `TokenBatch` (what tokenizers give and models read), a padded table (what a network reads), and a stream,
int32 [T] with `<s>` before each row (what is counted and trained on; it may be larger than memory). The rows 5 6 2 and
7 2 are tokens 5 6 2 7 2 of lengths 3 2; padded with 0 they are 5 6 2 and 7 2 0; as a stream 1 5 6 2 1 7 2.

Letters as in `interfaces.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.ragged import gather, joined
from seqcli.text import BOS_ID, EOS_ID

_PIECE = 1 << 22  # tokens of a stream that are looked through at a time


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Token rows, packed: row b is the next `lengths[b]` of `tokens`.

    Packed rather than padded, so that neither a row's length nor its neighbours can change what a model sees;
    a network pads at its own door. `tokens` never holds `<s>` (each model knows its start) and holds `</s>`
    where the text has an end.
    """

    tokens: np.ndarray  # int32 [P]
    lengths: np.ndarray  # int64 [B]

    @classmethod
    def of(cls, rows: Sequence[np.ndarray | Sequence[int]]) -> TokenBatch:
        """Rows as they are given, int [lengths[b]] each."""
        parts = [np.asarray(row, np.int32) for row in rows]
        return cls(joined(parts, np.int32), np.array(list(map(len, parts)), np.int64))

    @classmethod
    def one(cls, tokens: np.ndarray) -> TokenBatch:
        """All tokens as one row."""
        return cls(tokens, np.array([len(tokens)], np.int64))

    @classmethod
    def joined(cls, batches: Sequence[TokenBatch]) -> TokenBatch:
        """The rows of several batches, one after another."""
        return cls(
            joined([batch.tokens for batch in batches], np.int32),
            joined([batch.lengths for batch in batches], np.int64),
        )

    @classmethod
    def with_line_ends(cls, tokens: np.ndarray, lengths: np.ndarray) -> TokenBatch:
        """Rows of `lengths` tokens, with `</s>` put after each."""
        lengths = lengths + 1
        ended = np.empty(len(tokens) + len(lengths), np.int32)
        ends = np.cumsum(lengths) - 1
        inside = np.ones(len(ended), bool)
        inside[ends] = False
        ended[ends] = EOS_ID
        ended[inside] = tokens
        return cls(ended, lengths)

    @classmethod
    def of_stream(cls, stream: np.ndarray) -> TokenBatch:
        """The rows of a stream that fits in memory."""
        stream = np.asarray(stream, np.int32)
        _, lengths = rows_of(stream)
        return cls(stream[stream != BOS_ID], lengths)

    @property
    def starts(self) -> np.ndarray:
        """Where each row begins: int64 [B]."""
        return self.lengths.cumsum() - self.lengths

    @property
    def rows(self) -> list[np.ndarray]:
        """Each row's tokens: int32 [lengths[b]]."""
        return [
            self.tokens[start : start + length] for start, length in zip(self.starts.tolist(), self.lengths.tolist())
        ]

    def only(self, chosen: np.ndarray) -> TokenBatch:
        """Some of the rows. chosen: bool [B]."""
        return TokenBatch(self.tokens[np.repeat(chosen, self.lengths)], self.lengths[chosen])

    def at(self, rows: np.ndarray) -> TokenBatch:
        """Rows by their numbers, int64 [b], in that order; repeats allowed."""
        lengths = self.lengths[rows]
        return TokenBatch(gather(self.tokens, self.starts[rows], lengths), lengths)

    def without_last(self) -> TokenBatch:
        """Every row without its last token; none may be empty."""
        return TokenBatch(np.delete(self.tokens, np.cumsum(self.lengths) - 1), self.lengths - 1)

    def beside(self, other: TokenBatch) -> TokenBatch:
        """Every row with the same row of `other` after it."""
        lengths = np.stack([self.lengths, other.lengths], axis=1)
        own = np.repeat(np.tile([True, False], len(lengths)), lengths.ravel())
        tokens = np.empty(len(own), np.int32)
        tokens[own] = self.tokens
        tokens[~own] = other.tokens
        return TokenBatch(tokens, lengths.sum(axis=1))

    def grouped(self, counts: np.ndarray) -> TokenBatch:
        """Fewer and longer rows: the first `counts[0]` of these are the first, and so on. counts: int64 [B'], none 0."""
        if not len(counts):
            return self
        return TokenBatch(self.tokens, np.add.reduceat(self.lengths, np.cumsum(counts) - counts))

    def with_starts(self, start: Sequence[int] | np.ndarray = (BOS_ID,)) -> tuple[np.ndarray, np.ndarray]:
        """A stream of the rows with `start` (int [C]) before each, int32 [T], and which of its entries are the rows' own."""
        lengths = self.lengths + len(start)
        begins = np.cumsum(lengths) - lengths
        given = (begins[:, None] + np.arange(len(start))).ravel()
        own = np.ones(int(lengths.sum()), bool)
        own[given] = False
        stream = np.empty(len(own), np.int32)
        stream[given] = np.tile(np.asarray(start, np.int32), len(lengths))
        stream[own] = self.tokens
        return stream, own


def owners(lengths: np.ndarray) -> np.ndarray:
    """The row of each token: int64 [P]. Lengths 2 1 give 0 0 1."""
    return np.repeat(np.arange(len(lengths)), lengths)


def places(lengths: np.ndarray) -> np.ndarray:
    """The place of each token in its row: int64 [P]. Lengths 2 1 give 0 1 0."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def row_sums(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sums over packed rows, in float64: [B]. values: [P]; rows may be empty."""
    if not len(lengths):
        return np.zeros(0)
    filled = lengths > 0
    starts = (np.cumsum(lengths) - lengths)[filled]
    sums = np.zeros(len(lengths))
    if len(starts):
        sums[filled] = np.add.reduceat(values.astype(np.float64), starts)
    return sums


def common_prefixes(one: TokenBatch, other: TokenBatch) -> np.ndarray:
    """How many tokens the rows of two batches have in common at their beginnings: int64 [B]."""
    lengths = np.minimum(one.lengths, other.lengths)
    row, place = owners(lengths), places(lengths)
    differ = one.tokens[one.starts[row] + place] != other.tokens[other.starts[row] + place]
    common = lengths.copy()
    np.minimum.at(common, row[differ], place[differ])
    return common


def in_parts(lengths: np.ndarray, *, order: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Rows in `order` (int64 [B]), in parts of about so many tokens."""
    cuts = np.flatnonzero(np.diff(np.cumsum(lengths[order]) // tokens)) + 1
    return [part for part in np.split(order, cuts) if len(part)]


# --- padded -----------------------------------------------------------------------------------------------------------


def padded(rows: Sequence[np.ndarray], *, fill: int, round_to: int = 1, dtype: type = np.int64) -> np.ndarray:
    """[B, T]: rows one below the other, `fill` on the right, T a multiple of `round_to`."""
    longest = max(map(len, rows), default=0)
    table: np.ndarray = np.full((len(rows), -(-longest // round_to) * round_to), fill, dtype)
    for line, row in zip(table, rows):
        line[: len(row)] = row
    return table


def padded_to_extend(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What `extend` of a model reads: int32 [B, T], right-padded with `<s>`, and the rows' lengths, int64 [B]."""
    return padded(rows, fill=BOS_ID, dtype=np.int32), np.array([len(row) for row in rows], np.int64)


def of_like_length(lengths: np.ndarray, *, budget: int, most: int) -> Iterator[np.ndarray]:
    """Rows, shortest first, in groups of at most `budget` tokens with their padding and a token more each.

    Rows above `most` stand alone.
    """
    order = np.argsort(lengths, kind="stable")
    begin = 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            longest = lengths[order[end]] + 1
            if (end - begin + 1) * longest <= budget and longest <= most:
                continue
        if end > begin:
            yield order[begin:end]
            begin = end


# --- streams ----------------------------------------------------------------------------------------------------------


def rows_of(stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of a stream begin, at their `<s>`, and how many tokens follow it: int64 [rows] each."""
    starts = joined([first + np.flatnonzero(part == BOS_ID) for first, part in pieces(stream)], np.int64)
    return starts, np.diff(starts, append=len(stream)) - 1


def count_rows(stream: np.ndarray) -> int:
    """The rows of a stream."""
    return sum(int(np.count_nonzero(part == BOS_ID)) for _, part in pieces(stream))


def pieces(stream: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """A stream piece by piece, with where each begins: it may be larger than memory."""
    for first in range(0, len(stream), _PIECE):
        yield first, stream[first : first + _PIECE]
