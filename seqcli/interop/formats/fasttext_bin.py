"""Word vectors in fastText's binary models (.bin), with those of character n-grams, which give unknown words a vector.

The vector of a word is the mean of its own row and those of its n-grams. The format is described in
`interop/fasttext/file.py`; files written here have an output matrix of zeros.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from seqcli.embeddings.subwords import Subwords
from seqcli.embeddings.sums import means
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.errors import ModelError
from seqcli.files.atomic import replacing
from seqcli.files.file_type import FASTTEXT
from seqcli.interop import limits
from seqcli.interop.fasttext import file
from seqcli.interop.fasttext.file import ARGUMENTS, DICTIONARY, ENTRY
from seqcli.text import EOS
from seqcli.token_batch import TokenBatch

TOOL = "fastText"
HOLDS = "word vectors"
SUFFIXES = (".bin",)
KEEPS_NGRAMS = True
_MATRIX = struct.Struct("<?2q")
_AT_ONCE = 1 << 14  # number of words to process at a time


def matches(head: bytes) -> bool:
    return head.startswith(FASTTEXT)


def read(path: str, *, threads: int | None = None) -> WordVectors:
    """The composed vectors of all words, and those of n-grams, mapped into memory. Raises ModelError."""
    found = file.read(path, output=False)
    if found.quantized:
        raise ModelError(
            "is a quantized fastText model, which has no word vectors",
            where=path,
            cure="use the .bin file that it was made from",
        )
    table, words, subwords = found.input.whole(), len(found.words), found.subwords
    return _composed(path, found.words, table[:words], None if subwords is None else table[words:], subwords)


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
        raise ModelError("a vector contains NaN or infinity", where=path, cure=limits.CURE)
    words, kept = vocabulary([name.decode("utf-8", "replace").encode() for name in names])
    return WordVectors.checked(words, vectors if kept.all() else vectors[kept], subwords=subwords, buckets=buckets)


def _grams(names: list[bytes], subwords: Subwords) -> TokenBatch:
    """The n-grams of words; `</s>`, the end of a line, has none."""
    texts = [name if name != EOS.encode() else b"" for name in names]
    lengths = np.array([len(text) for text in texts], np.int64)
    found = subwords.of(np.frombuffer(b"".join(texts), np.uint8), np.cumsum(lengths) - lengths, lengths)
    real = np.array([name != EOS.encode() for name in names], bool)
    return TokenBatch(found.tokens[np.repeat(real, found.lengths)], np.where(real, found.lengths, 0))


def write(path: str, vectors: WordVectors) -> None:
    """Writes a model that fastText and gensim can open for its vectors. A word's own row is computed so that its mean with the
    n-grams is its vector."""
    subwords, buckets = vectors.subwords, vectors.buckets
    shortest, longest, count = (subwords.shortest, subwords.longest, subwords.buckets) if subwords else (0, 0, 0)
    names = [vectors.word(index).encode() for index in range(len(vectors))]
    with replacing(Path(path), last=True) as out:
        out.write(FASTTEXT + struct.pack("<i", file.VERSIONS[-1]))
        out.write(
            ARGUMENTS.pack(vectors.dim, 5, 5, 1, 5, 1, 2, 2, count, shortest, longest, 100, 1e-4)
        )  # loss ns, skip-gram
        out.write(DICTIONARY.pack(len(names), len(names), 0, len(names), -1))
        for name in names:
            out.write(name + b"\0" + ENTRY.pack(1, 0))
        out.write(_MATRIX.pack(False, len(names) + count, vectors.dim))
        for first in range(0, len(names), _AT_ONCE):
            some = vectors.vectors[first : first + _AT_ONCE]
            if subwords is not None and buckets is not None:
                grams = _grams(names[first : first + _AT_ONCE], subwords)
                sizes = grams.lengths[:, None].astype(np.float32)
                some = some * (sizes + 1) - means(buckets, grams) * sizes
            out.write(some.astype("<f4").tobytes())
        if buckets is not None:
            for first in range(0, count, _AT_ONCE):
                out.write(buckets[first : first + _AT_ONCE].astype("<f4").tobytes())
        out.write(_MATRIX.pack(False, len(names), vectors.dim))
        zeros = bytes(4 * vectors.dim)
        for _ in names:
            out.write(zeros)
