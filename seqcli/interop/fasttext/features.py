"""The rows of the input matrix for a line of text, as in fastText's `Dictionary::getLine`.

Words are separated by ASCII blanks. A known word has its own row, and every word has those of its character n-grams; `</s>`
at the end of a line is a word without n-grams, and one written in the line ends it. Labels are not words. Word n-grams are
hashed from the words' hashes, including `</s>`. Repetitions count.

Rows are looked up once for each distinct word of a block of lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqcli.data.labelled import PREFIX
from seqcli.embeddings.subwords import fnv
from seqcli.embeddings.vectors import vocabulary
from seqcli.interop import limits
from seqcli.interop.fasttext.file import FastTextFile
from seqcli.text import EOS, SPECIALS, UNK_ID
from seqcli.token_batch import TokenBatch, places
from seqcli.tokenizers.words import Split, hashes

_FACTOR = np.uint64(116049371)  # of fastText's `Dictionary::addWordNgrams`
_LINE_END = EOS.encode()
_LINE_END_HASH = hashes(np.frombuffer(_LINE_END + bytes(8), np.uint8), np.array([0]), np.array([len(_LINE_END)]))[0]
_LABEL = PREFIX.encode()
_NONE_SKIPPED = np.zeros(0, np.uint64)
_LONG = 512  # maximum length of a word, in bytes


@dataclass(frozen=True)
class Words:
    """The words of a block of lines. Distinct word i is `data[starts[i] : starts[i] + lengths[i]]`; rows: int64 [d], their
    own, -1 for none; tokens: a row per line of indices of distinct words, without the `</s>` at its end."""

    data: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    rows: np.ndarray
    tokens: TokenBatch

    def parts(self, most: int) -> Iterator[Words]:
        """Yields at most `count` distinct words at a time, with their tokens."""
        if len(self.starts) <= most:
            yield self
            return
        for first in range(0, len(self.starts), most):
            some = slice(first, first + most)
            here = (self.tokens.tokens >= first) & (self.tokens.tokens < first + most)
            tokens = _filtered(self.tokens, here)
            tokens = TokenBatch(tokens.tokens - np.int32(first), tokens.lengths)
            yield Words(self.data, self.starts[some], self.lengths[some], self.rows[some], tokens)


class Dictionary:
    """The dictionary of a file. end: the row of `</s>`, None if it has none."""

    def __init__(self, file: FastTextFile):
        entries = [*file.words, *file.labels]
        # fastText finds the last of equal entries.
        self._known, first = vocabulary(entries[::-1])
        self._entries = len(entries) - 1 - np.flatnonzero(first)
        self._words = len(file.words)
        self._subwords, self._orders = file.subwords, file.word_ngrams
        self._buckets = file.arguments.bucket
        self._pruned = file.pruned is not None
        self._row_of_bucket: np.ndarray | None = None
        if file.pruned is not None and len(file.pruned):
            limits.check_memory(file.path, 4 * self._buckets)
            # row + 1; memory is allocated only where it is written
            self._row_of_bucket = np.zeros(self._buckets, np.int32)
            self._row_of_bucket[file.pruned[:, 0]] = file.pruned[:, 1] + self._words + 1
        self.end: int | None = None
        if _LINE_END in file.words:
            self.end = file.words.index(_LINE_END)

    def words(self, lines: bytes) -> Words:
        """lines: UTF-8, each ended by a line feed."""
        split = Split(lines, skipped=_NONE_SKIPPED)
        distinct, first, place = np.unique(split.hashes, return_index=True, return_inverse=True)
        starts, lengths = split.starts[first], split.lengths[first]
        ids = self._known.ids_of(distinct)
        known = ids != UNK_ID
        entries = np.full(len(ids), -1)
        entries[known] = self._entries[ids[known] - len(SPECIALS)]
        tokens = TokenBatch(place.astype(np.int32), split.line_words)
        read = np.ones(len(place), bool)
        if _LINE_END in lines:
            read &= ~_from_the_first(split.hashes == _LINE_END_HASH, tokens)
        is_label = entries >= self._words
        if _LABEL in lines:
            begins = [split.data[start : start + len(_LABEL)].tobytes() == _LABEL for start in starts.tolist()]
            is_label |= (entries < 0) & np.array(begins, bool) & (lengths >= len(_LABEL))
        if is_label.any():
            read &= ~is_label[place]
        if not read.all():
            tokens = _filtered(tokens, read)
        return Words(split.data, starts, lengths, np.where(is_label, -1, entries), tokens)

    def grams(self, words: Words) -> Iterator[tuple[int, TokenBatch]]:
        """The rows of the character n-grams of distinct words, a few words at a time, with the index of the first of these."""
        if self._subwords is None or (self._pruned and self._row_of_bucket is None):
            return
        for first, buckets in self._subwords.parts(words.data, words.starts, words.lengths):
            yield first, self._kept(buckets)

    def word_grams(self, words: Words) -> Iterator[TokenBatch]:
        """The rows of each line's n-grams of 2 words, of 3 words, ..."""
        if self._orders < 2 or (self._pruned and self._row_of_bucket is None):
            return
        hashed = _extended(np.append(_fnv(words.data, words.starts, words.lengths), _fnv_of(_LINE_END)))
        lengths = words.tokens.lengths + 1
        following = hashed[_with_ends(words.tokens, len(words.starts))]
        left = np.repeat(lengths, lengths) - places(lengths)  # number of words up to the end of the line, inclusive
        h = following.copy()
        for n in range(2, min(self._orders, int(lengths.max(initial=0))) + 1):
            h = h[: len(following) - n + 1]
            h *= _FACTOR
            h += following[n - 1 :]
            buckets = (h % np.uint64(self._buckets))[left[: len(h)] >= n].astype(np.int32)
            yield self._kept(TokenBatch(buckets, np.maximum(lengths - n + 1, 0)))

    def _kept(self, buckets: TokenBatch) -> TokenBatch:
        """The rows of n-grams, by their buckets."""
        if self._row_of_bucket is None:
            return TokenBatch(buckets.tokens + np.int32(self._words), buckets.lengths)
        rows = self._row_of_bucket.take(buckets.tokens)
        found = _filtered(TokenBatch(rows, buckets.lengths), rows > 0)
        return TokenBatch(found.tokens - np.int32(1), found.lengths)


def _filtered(batch: TokenBatch, kept: np.ndarray) -> TokenBatch:
    """The selected tokens. kept: bool [P]."""
    until = np.concatenate([[0], np.cumsum(kept)])
    ends = np.cumsum(batch.lengths)
    return TokenBatch(batch.tokens[kept], until[ends] - until[ends - batch.lengths])


def _from_the_first(found: np.ndarray, batch: TokenBatch) -> np.ndarray:
    """A mask of tokens that were found, or follow a found one in their row. found: bool [P]."""
    count = np.cumsum(found)
    before = np.concatenate([[0], count])[batch.starts]
    return count > np.repeat(before, batch.lengths)


def _with_ends(batch: TokenBatch, end: int) -> np.ndarray:
    """The tokens of all rows, with the token `end` appended to each row."""
    return np.insert(batch.tokens, np.cumsum(batch.lengths), end)


def _extended(h: np.ndarray) -> np.ndarray:
    """Sign-extends 32-bit hashes to 64 bits as fastText does, which stores word hashes as signed integers."""
    return h.view(np.int32).astype(np.int64).view(np.uint64)


def _fnv(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Same as `fnv`, but without a step over all words for each byte of a long one."""
    h = fnv(data, starts, np.where(lengths > _LONG, 0, lengths))
    for word in np.flatnonzero(lengths > _LONG):
        h[word] = _fnv_of(data[starts[word] : starts[word] + lengths[word]].tobytes())
    return h


def _fnv_of(word: bytes) -> np.uint32:
    h = 2166136261
    for byte in word:
        h = ((h ^ (byte if byte < 0x80 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return np.uint32(h)
