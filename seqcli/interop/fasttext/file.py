"""What a fastText model file holds, mapped into memory.

    int32 magic, version                                  793712314, 11 or 12
    12 int32 and a float64, the arguments of the training dim ws epoch minCount neg wordNgrams loss model bucket minn maxn
                                                          lrUpdateRate t
    int32 size, words, labels; int64 tokens, pruned       the dictionary; then for each entry its bytes, a zero, an int64
                                                          count, an int8 type (0 word, 1 label)
    int32 bucket, row                                     as often as `pruned` says: the n-grams that were kept; -1 and none
                                                          where all were
    bool quantized; the input matrix                      a row per word, then per bucket
    bool quantized; the output matrix                     a row per label (word vectors: per word)

Sizes that a header claims are compared with the size of the file before anything is allocated. (fastText's source,
`FastText::loadModel`, `Args::load`, `Dictionary::load`.)
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass

import numpy as np

from seqcli.embeddings.subwords import Subwords
from seqcli.errors import ModelError
from seqcli.files import regular
from seqcli.files.file_type import FASTTEXT, FASTTEXT_MODEL, FASTTEXT_SUPERVISED
from seqcli.interop import limits
from seqcli.interop.fasttext import matrix
from seqcli.interop.fasttext.matrix import Cursor, Matrix

VERSIONS = (11, 12)
ARGUMENTS, DICTIONARY, ENTRY = (struct.Struct(form) for form in ("<12id", "<3i2q", "<qb"))
LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
_PRUNED = np.dtype("<i4, <i4")
_LONGEST_WORD = 1 << 16  # bytes
_LARGEST_ORDER = 100  # of n-grams
_MOST_BUCKETS = 1 << 28  # maximum bucket of a pruned file, which has fewer rows
_OLD = 11  # version 11, whose supervised models had no character n-grams


@dataclass(frozen=True)
class Arguments:
    """The arguments of the training, by the names of fastText's options."""

    dim: int
    ws: int
    epoch: int
    minCount: int
    neg: int
    wordNgrams: int
    loss: int
    model: int
    bucket: int
    minn: int
    maxn: int
    lrUpdateRate: int
    t: float


@dataclass(frozen=True)
class FastTextFile:
    """The contents of a file. label_counts: in the training texts; pruned: int32 [n, 2], kept buckets and their rows after the
    words', None if there is a row for each; quantized: whether the input matrix is; output: None if it was not requested."""

    path: str
    version: int
    arguments: Arguments
    words: list[bytes]
    labels: list[bytes]
    label_counts: list[int]
    tokens: int
    pruned: np.ndarray | None
    quantized: bool
    input: Matrix
    output: Matrix | None

    @property
    def supervised(self) -> bool:
        return self.arguments.model == FASTTEXT_SUPERVISED

    @property
    def subwords(self) -> Subwords | None:
        """The character n-grams; None if there are none."""
        given = self.arguments
        if given.maxn <= 0 or (given.model == FASTTEXT_SUPERVISED and self.version == _OLD):
            return None
        return Subwords(max(given.minn, 1), given.maxn, given.bucket)

    @property
    def word_ngrams(self) -> int:
        return max(self.arguments.wordNgrams, 1) if self.supervised else 1


def read(path: str, *, output: bool) -> FastTextFile:
    """Opens a file. output: also read the output matrix. Raises ModelError if the file is damaged."""
    with regular.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size < len(FASTTEXT):
            raise ModelError("damaged or truncated fastText model", where=path, cure=limits.CURE)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _read(path, Cursor(data, size), output=output)
    except ValueError as error:
        raise ModelError(f"damaged or truncated fastText model ({error})", where=path, cure=limits.CURE) from None


def _read(path: str, cursor: Cursor, *, output: bool) -> FastTextFile:
    _, version = cursor.unpack(struct.Struct("<2i"))
    if version not in VERSIONS:
        raise ModelError(
            f"fastText format {version} is not supported, only 11 and 12", where=path, cure="save it with fastText 0.9"
        )
    arguments = Arguments(*cursor.unpack(ARGUMENTS))
    if not (arguments.model in FASTTEXT_MODEL and arguments.loss in LOSSES):
        raise ValueError(f"model {arguments.model} and loss {arguments.loss}")
    if arguments.wordNgrams > _LARGEST_ORDER or (arguments.maxn > 0 and not _ordered(arguments)):
        raise ValueError(f"n-grams of {arguments.minn} to {arguments.maxn} characters and {arguments.wordNgrams} words")
    entries, words, labels, tokens, pruned = cursor.unpack(DICTIONARY)
    if not (0 <= words <= entries == words + labels and entries * (ENTRY.size + 1) <= cursor.left):
        raise ValueError("its dictionary does not add up")
    names, counts = _entries(cursor, entries, words)
    kept = None
    if pruned >= 0:
        pairs = cursor.array(_PRUNED, pruned)
        kept = np.stack([pairs["f0"], pairs["f1"]], axis=1)
    quantized = cursor.flag()
    table = matrix.read(path, cursor, quantized=quantized, dim=arguments.dim)
    found = FastTextFile(
        path, version, arguments, names[:words], names[words:], counts[words:], tokens, kept, quantized, table, None
    )
    _check_rows(found)
    if not output:
        return found
    quantized &= cursor.flag()
    return FastTextFile(**{**vars(found), "output": matrix.read(path, cursor, quantized=quantized, dim=arguments.dim)})


def _ordered(arguments: Arguments) -> bool:
    return 0 <= arguments.minn <= arguments.maxn <= _LARGEST_ORDER


def _entries(cursor: Cursor, entries: int, words: int) -> tuple[list[bytes], list[int]]:
    """The words, then the labels, and the count of each."""
    data, at = cursor.data, cursor.at
    names, counts = [], []
    for entry in range(entries):
        end = data.find(b"\0", at, at + _LONGEST_WORD)
        if end < 0:
            raise ValueError(f"its dictionary ends after {entry:,} entries")
        cursor.at = end + 1
        count, kind = cursor.unpack(ENTRY)
        if (kind == 0) != (entry < words):
            raise ValueError("a word after the labels")
        names.append(data[at:end])
        counts.append(count)
        at = cursor.at
    return names, counts


def _check_rows(file: FastTextFile) -> None:
    """Raises ValueError if the input matrix has no row for an entry of the dictionary."""
    arguments, rows = file.arguments, len(file.input) - len(file.words)
    if rows < 0:
        raise ValueError(f"{len(file.input):,} rows for {len(file.words):,} words")
    hashed = file.subwords is not None or file.word_ngrams > 1
    if file.pruned is None:
        if hashed and not 0 < arguments.bucket == rows:
            raise ValueError(
                f"n-grams of {arguments.minn} to {arguments.maxn} characters in {arguments.bucket:,} buckets, {rows:,} rows for them"
            )
    elif len(file.pruned):
        buckets, places = file.pruned[:, 0], file.pruned[:, 1]
        if not 0 < arguments.bucket <= _MOST_BUCKETS or not 0 <= buckets.min() <= buckets.max() < arguments.bucket:
            raise ValueError(f"n-grams in {arguments.bucket:,} buckets")
        if not 0 <= places.min() <= places.max() < rows:
            raise ValueError(f"n-grams in rows that are not there, of {rows:,}")
