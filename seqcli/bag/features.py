r"""Features of a line: its character n-grams and word n-grams, each represented by the index of a hash bucket.

Character n-grams span blanks: `"a b"` has the 2-grams `" a" "a " " b" "b "`, with a blank added at both ends of a line, so
that first and last letters of a word differ from inner ones, and words written with or without a blank between them share
most features. Word n-grams combine the hashes of `tokenizers/words.py`. There is no vocabulary, and n-grams that do not
occur in the training text have a bucket as well. Everything is computed with a few vector operations per block of lines, in
a tenth of a microsecond per character.

The hashes are part of the model format: changing them invalidates saved models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.text import Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers.words import Split

_BLANK = 0x20
_SPREAD = np.uint32(0x9E3779B1)  # odd constants with about as many ones as zeros in binary
_STEP = np.uint32(0x85EBCA6B)
_LAST = np.uint32(0xC2B2AE35)
_STEP_64 = np.uint64(0x9E3779B97F4A7C15)
_LAST_64 = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True)
class Features:
    """Which features to extract: character n-grams from `shortest` to `longest` (0: none), word n-grams up to `words`.

    bits: there are 2^bits buckets; lower: ignore case.
    """

    bits: int
    shortest: int
    longest: int
    words: int
    lower: bool

    def encode(self, lines: bytes) -> TokenBatch:
        """The buckets of each line's features, with repetitions: characters first, then words. An empty line has none."""
        lines = Normalisation.NFC.lines(lines)
        text = lines.decode()
        if self.lower:
            text = text.lower()
            lines = text.encode()
        return self._characters(text).beside(self._words(lines))

    def _characters(self, text: str) -> TokenBatch:
        """Character n-grams begin at every character of a line and at the line feed before it, and end at the line's own line
        feed at the latest."""
        size, orders = len(text), range(self.shortest, self.longest + 1)
        codes = np.frombuffer(("\n" + text + "\n" * self.longest).encode("utf-32-le"), "<u4")
        ends = np.flatnonzero(codes[1 : size + 1] == 0x0A) + 1
        spans = np.diff(ends, prepend=0)  # length of a line with the line feed before it
        left = np.repeat(ends, spans) - np.arange(size)  # number of characters up to the end of the line, inclusive
        left[(ends - 1)[spans == 1]] = 0
        # Blanks as in `Split`, and the line feed, so that a line begins and ends like a word.
        blank = (codes == _BLANK) | ((codes - np.uint32(0x09)) < 5) | (codes == 0)
        codes = np.where(blank, np.uint32(_BLANK), codes) * _SPREAD
        # the line feed of an empty line is not a 1-gram
        following = np.array([max(n - 1, 1) for n in orders], np.int64)
        ids = np.empty((size, len(orders)), np.int32)
        kept = np.empty(ids.shape, bool)
        h = np.zeros(size, np.uint32)
        for n in range(1, self.longest + 1):
            h ^= codes[n - 1 : n - 1 + size]
            h *= _STEP
            h ^= h >> np.uint32(15)
            if n >= self.shortest:
                ids[:, n - self.shortest] = (h * _LAST) >> np.uint32(32 - self.bits)
                kept[:, n - self.shortest] = left >= following[n - self.shortest]
        lengths = np.maximum(spans[:, None] - following + 1, 0).sum(axis=1)
        return TokenBatch(ids[kept], np.where(spans > 1, lengths, 0))

    def _words(self, lines: bytes) -> TokenBatch:
        split = Split(lines)
        count = split.line_words
        # number of words up to the end of the line, inclusive
        left = np.repeat(np.cumsum(count), count) - np.arange(len(split.hashes))
        ids = np.empty((len(split.hashes), self.words), np.int32)
        h = np.zeros(len(split.hashes), np.uint64)
        for n in range(1, self.words + 1):
            known = h[: max(len(h) - n + 1, 0)]  # n-grams that extend past the end of the line are computed but dropped
            known ^= split.hashes[n - 1 :]
            known *= _STEP_64
            known ^= known >> np.uint64(29)
            ids[:, n - 1] = (h * _LAST_64) >> np.uint64(64 - self.bits)
        kept = left[:, None] > np.arange(self.words)
        return TokenBatch(ids[kept], np.maximum(count[:, None] - np.arange(self.words), 0).sum(axis=1))
