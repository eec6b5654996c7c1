"""fastText's models (.bin): words, character n-grams and their vectors, so that unknown words have vectors, too.

    int32 magic, version                                  793712314, 11 or 12
    12 int32 and a float64, the arguments of the training dim ws epoch minCount neg wordNgrams loss model bucket minn maxn
                                                          lrUpdateRate t
    int32 size, words, labels; int64 tokens, pruned       the dictionary; then for each entry its bytes, a zero, an int64
                                                          count, an int8 type (0 word, 1 label)
    bool quantized; int64 rows, columns; float32 ...      a row per word, then per bucket
    bool quantized; int64 rows, columns; float32 ...      the output matrix: not read, written as zeros

The vector of a word is the mean of its own row and those of its n-grams. (fastText's source, `Dictionary::load`, `Args::load`,
`DenseMatrix::load`.)
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

import numpy as np

from seqcli.embeddings.subwords import Subwords, means
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.errors import ModelError
from seqcli.files import regular
from seqcli.files.atomic import replacing
from seqcli.interop.vectors import limits
from seqcli.text import EOS
from seqcli.token_batch import TokenBatch

_MAGIC, _VERSIONS = 793712314, (11, 12)
_ARGUMENTS, _DICTIONARY, _ENTRY, _MATRIX = (struct.Struct(f) for f in ("<12id", "<3i2q", "<qb", "<?2q"))
_SUPERVISED = 3
_LONGEST_WORD = 1 << 16  # bytes
_AT_ONCE = 1 << 14  # words


def matches(head: bytes) -> bool:
    return head[:4] == struct.pack("<i", _MAGIC)


def read(path: str) -> WordVectors:
    """The vectors of all words, composed, and those of n-grams, mapped into memory. Raises ModelError."""
    with regular.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _read(path, data, size)
    except (struct.error, ValueError) as error:
        raise ModelError(f"damaged or truncated fastText model ({error})", where=path, cure=limits.CURE) from None


def _read(path: str, data: mmap.mmap, size: int) -> WordVectors:
    (version,) = struct.unpack_from("<i", data, 4)
    if version not in _VERSIONS:
        raise ModelError(f"fastText format {version}, 11 and 12 are read", where=path, cure="save it with fastText 0.9")
    dim, _, _, _, _, _, _, model, buckets, shortest, longest, _, _ = _ARGUMENTS.unpack_from(data, 8)
    if version == 11 and model == _SUPERVISED:
        longest = 0  # an old supervised model has no n-grams of characters
    at = 8 + _ARGUMENTS.size
    entries, words, labels, _, pruned = _DICTIONARY.unpack_from(data, at)
    if pruned > 0:
        raise _quantized(path)
    at += _DICTIONARY.size
    if not 0 <= words <= entries == words + labels:
        raise ValueError("its dictionary does not add up")
    limits.check(path, words=max(words, 1), dim=dim, room=size - at, each=4)
    names = []
    for entry in range(entries):
        end = data.find(b"\0", at, at + _LONGEST_WORD)
        if end < 0:
            raise ValueError(f"its dictionary ends after {entry:,} entries")
        _, kind = _ENTRY.unpack_from(data, end + 1)
        if (kind == 0) != (entry < words):
            raise ValueError("a word after the labels")
        if kind == 0:
            names.append(data[at:end])
        at = end + 1 + _ENTRY.size
    quantized, rows, columns = _MATRIX.unpack_from(data, at)
    at += _MATRIX.size
    if quantized:
        raise _quantized(path)
    if columns != dim or not words <= rows <= limits.MOST_WORDS or rows * columns * 4 > size - at:
        raise ValueError(f"a matrix of {rows:,} rows and {columns:,} columns")
    table = np.frombuffer(data, "<f4", rows * columns, at).reshape(rows, columns)
    grams = longest > 0
    if grams and not (1 <= shortest <= longest <= 100 and 0 < buckets == rows - words):
        raise ValueError(
            f"n-grams of {shortest} to {longest} characters in {buckets:,} buckets, {rows - words:,} rows for them"
        )
    subwords = Subwords(shortest, longest, buckets) if grams else None
    return _composed(path, names, table[:words], table[words:] if grams else None, subwords)


def _composed(
    path: str, names: list[bytes], own: np.ndarray, buckets: np.ndarray | None, subwords: Subwords | None
) -> WordVectors:
    limits.check_memory(path, own.nbytes)
    vectors = np.empty(own.shape, np.float32)
    for first in range(0, len(names), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        vectors[some] = own[some]
        if subwords is not None and buckets is not None:
            grams = _grams(names[some], subwords)
            count = grams.lengths[:, None].astype(np.float32)
            vectors[some] = (vectors[some] + means(buckets, grams) * count) / (count + 1)
    if not np.isfinite(vectors).all():
        raise ModelError("a vector holds NaN or infinity", where=path, cure=limits.CURE)
    words, kept = vocabulary([name.decode("utf-8", "replace").encode() for name in names])
    return WordVectors.checked(words, vectors if kept.all() else vectors[kept], subwords=subwords, buckets=buckets)


def _grams(names: list[bytes], subwords: Subwords) -> TokenBatch:
    """n-grams of words; `</s>`, the end of a line, has none."""
    texts = [name if name != EOS.encode() else b"" for name in names]
    lengths = np.array([len(text) for text in texts], np.int64)
    found = subwords.of(np.frombuffer(b"".join(texts), np.uint8), np.cumsum(lengths) - lengths, lengths)
    real = np.array([name != EOS.encode() for name in names], bool)
    return TokenBatch(found.tokens[np.repeat(real, found.lengths)], np.where(real, found.lengths, 0))


def _quantized(path: str) -> ModelError:
    return ModelError(
        "a quantized fastText model, which has no vectors of words",
        where=path,
        cure="give the .bin that it was made of",
    )


def write(path: str, vectors: WordVectors) -> None:
    """A model that fastText and gensim open for its vectors. A word's own row is what its n-grams leave of its vector."""
    subwords, buckets = vectors.subwords, vectors.buckets
    shortest, longest, count = (subwords.shortest, subwords.longest, subwords.buckets) if subwords else (0, 0, 0)
    names = [vectors.word(index).encode() for index in range(len(vectors))]
    with replacing(Path(path), last=True) as file:
        file.write(struct.pack("<2i", _MAGIC, _VERSIONS[-1]))
        file.write(
            _ARGUMENTS.pack(vectors.dim, 5, 5, 1, 5, 1, 2, 2, count, shortest, longest, 100, 1e-4)
        )  # loss ns, skip-gram
        file.write(_DICTIONARY.pack(len(names), len(names), 0, len(names), -1))
        for name in names:
            file.write(name + b"\0" + _ENTRY.pack(1, 0))
        file.write(_MATRIX.pack(False, len(names) + count, vectors.dim))
        for first in range(0, len(names), _AT_ONCE):
            some = vectors.vectors[first : first + _AT_ONCE]
            if subwords is not None and buckets is not None:
                grams = _grams(names[first : first + _AT_ONCE], subwords)
                sizes = grams.lengths[:, None].astype(np.float32)
                some = some * (sizes + 1) - means(buckets, grams) * sizes
            file.write(some.astype("<f4").tobytes())
        if buckets is not None:
            for first in range(0, count, _AT_ONCE):
                file.write(buckets[first : first + _AT_ONCE].astype("<f4").tobytes())
        file.write(_MATRIX.pack(False, len(names), vectors.dim))
        zeros = bytes(4 * vectors.dim)
        for _ in names:
            file.write(zeros)
