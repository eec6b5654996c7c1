"""Character n-grams of words as hash buckets, exactly as in fastText (Bojanowski et al. 2017).

A word is wrapped in `<` and `>`; "cat" with n-grams of 3 to 4 characters has `<ca cat at> <cat cat>`. The bucket is the
32-bit FNV-1a hash of the n-gram's UTF-8 bytes modulo the number of buckets. fastText reads bytes as signed, so a byte
above 127 is sign-extended before it is mixed in; Hangul has only such bytes.

Everything is computed by vector operations over many words, without a loop over words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqcli.ragged import gather, joined
from seqcli.token_batch import TokenBatch

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_OPEN, _CLOSE = ord("<"), ord(">")
_LONGEST_CHARACTER = 4  # bytes
_AT_ONCE = 1 << 16  # characters


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
        total = np.zeros(len(starts), np.int64)
        tokens = []
        for first, part in self.parts(data, starts, lengths):
            total[first : first + len(part.lengths)] += part.lengths
            tokens.append(part.tokens)
        return TokenBatch(joined(tokens, np.int32), total)

    def parts(self, data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[int, TokenBatch]]:
        """As `of`, for some of the words at a time, with the index of the first: the n-grams of a long word may be in several parts."""
        if not len(starts):
            return
        wrapped, begins = _wrapped(data, starts, lengths)
        first = np.flatnonzero((wrapped & 0xC0) != 0x80)  # the first byte of each character
        edges = np.append(first, len(wrapped))
        ends = np.append(np.searchsorted(first, begins), len(first))  # of words, in characters, `<` and `>` too
        orders = range(self.shortest, self.longest + 1)
        for begin in range(0, len(first), _AT_ONCE):
            end = min(begin + _AT_ONCE, len(first))
            words = slice(int(np.searchsorted(ends, begin, side="right")) - 1, int(np.searchsorted(ends, end)))
            word_begins, word_ends = ends[words], ends[words.start + 1 : words.stop + 1]
            spans = np.minimum(word_ends, end) - np.maximum(word_begins, begin)
            left = (np.repeat(word_ends, spans) - np.arange(begin, end)).astype(
                np.int32
            )  # characters to the word's end
            found = np.zeros((end - begin, len(orders)), np.int32)
            kept = np.zeros(found.shape, bool)
            count = np.zeros(len(spans), np.int64)
            for n, h in enumerate(_hashes(wrapped, edges[begin : end + self.longest + 1], self.longest), 1):
                if n < self.shortest:
                    continue
                size, column = min(len(h), end - begin), n - self.shortest
                np.mod(h[:size], np.uint32(self.buckets), out=found[:size, column], casting="unsafe")
                np.greater_equal(left[:size], n, out=kept[:size, column])
                last = word_ends - n + 1
                if n == 1:  # the two borders alone are no n-grams
                    borders = np.concatenate([word_begins, word_ends - 1])
                    kept[borders[(borders >= begin) & (borders < end)] - begin, column] = False
                    last = last - 1
                count += (np.minimum(last, end) - np.maximum(word_begins + (n == 1), begin)).clip(0)
            yield words.start, TokenBatch(found[kept], count)

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


def fnv(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """FNV-1a over the signed bytes of `data[starts : starts + lengths]`: uint32, one per piece; each step reads one byte of all pieces."""
    signed = _signed(data)
    order = np.argsort(-lengths)  # longest first, so that the pieces with another byte are the first of the array
    at = starts[order]
    active = len(lengths) - np.searchsorted(lengths[order[::-1]], np.arange(lengths.max(initial=0)), side="right")
    h = np.full(len(starts), _BASIS)
    for count in active.tolist():
        h[:count] ^= signed.take(at[:count])
        h[:count] *= _PRIME
        at[:count] += 1
    found = np.empty_like(h)
    found[order] = h
    return found


def _hashes(data: np.ndarray, edges: np.ndarray, longest: int) -> Iterator[np.ndarray]:
    """FNV-1a of all n-grams of characters for n = 1 to `longest`, each from those one shorter: uint32 [chars - n + 1], valid
    until the next. Character i is `data[edges[i] : edges[i + 1]]`."""
    starts, sizes = edges[:-1] - edges[0], np.diff(edges)
    signed = _signed(data[edges[0] : edges[-1]])
    steps: list[tuple[np.ndarray, np.ndarray]] = []  # bytes to mix in and factors; 0 and 1 change nothing
    rare: list[
        tuple[np.ndarray, np.ndarray]
    ] = []  # positions and bytes after the fourth of a character, in malformed text
    for k in range(int(sizes.max(initial=0))):
        has = sizes > k
        if k < _LONGEST_CHARACTER:
            byte = np.where(has, signed.take(starts + k, mode="clip"), np.uint32(0))
            steps.append((byte, np.where(has, _PRIME, np.uint32(1))))
        else:
            at = np.flatnonzero(has)
            rare.append((at, signed[starts[at] + k]))
    h = np.full(len(starts), _BASIS)
    for n in range(min(longest, len(starts))):
        h = h[: len(starts) - n]
        for byte, factor in steps:
            h ^= byte[n:]
            h *= factor[n:]
        for at, byte in rare:
            here = at >= n
            h[at[here] - n] = (h[at[here] - n] ^ byte[here]) * _PRIME
        yield h


def _signed(data: np.ndarray) -> np.ndarray:
    return data.view(np.int8).astype(np.int32).view(np.uint32)
