"""Character n-grams of words, each known by the number of a hash bucket, exactly as in fastText (Bojanowski et al. 2017).

A word is wrapped in `<` and `>`; "cat" with n-grams of 3 to 4 characters has `<ca cat at> <cat cat>`. The bucket is the
32-bit FNV-1a hash of the n-gram's UTF-8 bytes modulo the number of buckets. fastText reads bytes as signed, so that a
byte above 127 is extended by ones before it is mixed in; Hangul has only such bytes.

Everything is a handful of vector operations over many words, without a loop over words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.ragged import gather
from seqcli.token_batch import TokenBatch, owners

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_OPEN, _CLOSE = ord("<"), ord(">")


@dataclass(frozen=True)
class Subwords:
    """n-grams of `shortest` to `longest` characters (0: none), hashed into `buckets`."""

    shortest: int
    longest: int
    buckets: int

    def of(self, data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> TokenBatch:
        """Buckets of the n-grams of words, repeats kept: one row per word. Word i is `data[starts[i] : starts[i] + lengths[i]]`.

        data: uint8, valid UTF-8.
        """
        wrapped, begins = _wrapped(data, starts, lengths)
        first = np.flatnonzero((wrapped & 0xC0) != 0x80)  # the first byte of each character
        word = np.searchsorted(begins, first, side="right") - 1
        last = np.append(first, len(wrapped))
        chars = np.bincount(word, minlength=len(begins))  # `<` and `>` too
        left = np.cumsum(chars)[word] - np.arange(len(first))  # characters from here to the word's end
        orders = range(self.shortest, self.longest + 1)
        found = np.zeros((len(first), len(orders)), np.int64)
        kept = np.zeros(found.shape, bool)
        for column, n in enumerate(orders):
            fits = left >= n
            if n == 1:  # the two borders alone are none
                fits &= (left > 1) & (left < chars[word])
            at = np.flatnonzero(fits)
            found[at, column] = _fnv(wrapped, first[at], last[at + n]) % np.uint32(self.buckets)
            kept[:, column] = fits
        per_word = np.bincount(word, kept.sum(axis=1), minlength=len(begins)).astype(np.int64)
        return TokenBatch(found[kept].astype(np.int32), per_word)

    def of_word(self, word: str) -> np.ndarray:
        """Buckets of one word's n-grams, int32."""
        data = np.frombuffer(word.encode(), np.uint8)
        return self.of(data, np.array([0]), np.array([len(data)])).tokens


def _wrapped(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`<word>` for each word, one after another, and where each begins."""
    sizes = lengths + 2
    begins = np.cumsum(sizes) - sizes
    wrapped = np.empty(int(sizes.sum()), np.uint8)
    inside = np.ones(len(wrapped), bool)
    inside[begins] = inside[begins + sizes - 1] = False
    wrapped[begins], wrapped[begins + sizes - 1] = _OPEN, _CLOSE
    wrapped[inside] = gather(data, starts, lengths)
    return wrapped, begins


def _fnv(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """FNV-1a of `data[starts : ends]` over signed bytes: uint32, one per piece, a byte of all pieces per step."""
    signed = data.view(np.int8).astype(np.int32).view(np.uint32)
    h = np.full(len(starts), _BASIS)
    sizes = ends - starts
    for k in range(int(sizes.max(initial=0))):
        active = np.flatnonzero(sizes > k)
        h[active] = (h[active] ^ signed[starts[active] + k]) * _PRIME
    return h


def means(table: np.ndarray, rows: TokenBatch) -> np.ndarray:
    """The mean of the rows of `table` [n, D] that each row of `rows` names: float32 [B, D], 0 for a row of none."""
    total = np.zeros((len(rows.lengths), table.shape[1]), np.float32)
    np.add.at(total, owners(rows.lengths), table[rows.tokens])
    return total / np.maximum(rows.lengths, 1)[:, None].astype(np.float32)
