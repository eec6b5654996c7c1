"""word2vec's binary format: a header line with two numbers, then for each word the word, a blank, its float32 numbers, and
possibly a line feed."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path

import numpy as np

from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.errors import ModelError
from seqcli.files import regular
from seqcli.files.atomic import replacing
from seqcli.interop import limits
from seqcli.interop.formats import _vector_text as text

TOOL = "word2vec"
HOLDS = "word vectors"
SUFFIXES = (".bin",)
KEEPS_NGRAMS = False
_HEADER = re.compile(rb"\s*(\d{1,18})[ \t]+(\d{1,18})[ \t\r]*\n")
_LONGEST_WORD = 1 << 16  # bytes


def matches(head: bytes) -> bool:
    """Whether a file begins with a header followed by bytes that are not numbers as text."""
    found = _HEADER.match(head)
    return found is not None and not text.matches(head[found.end() :])


def read(path: str, *, threads: int | None = None) -> WordVectors:
    """Reads the vectors. Raises ModelError."""
    with regular.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        found = _HEADER.match(file.read(64))
        assert found is not None
        words, dim, at = int(found[1]), int(found[2]), found.end()
        limits.check(path, words=words, dim=dim, room=size - at, each=4)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    names, vectors = [], np.empty((words, dim), np.float32)
    with data:
        for row in range(words):
            blank = data.find(b" ", at, at + _LONGEST_WORD)
            if blank < 0 or blank + 1 + 4 * dim > size:
                raise ModelError(
                    f"claims {words:,} vectors but ends after {row:,}: truncated or damaged",
                    where=path,
                    cure=limits.CURE,
                )
            names.append(data[at:blank].lstrip(b"\n").decode("utf-8", "replace").encode())
            at = blank + 1 + 4 * dim
            vectors[row] = np.frombuffer(data[blank + 1 : at], "<f4")
        rest = size - at
    if rest > 1:
        raise ModelError(f"{rest:,} bytes after the last vector: damaged", where=path, cure=limits.CURE)
    if not np.isfinite(vectors).all():
        raise ModelError("a vector contains NaN or infinity", where=path, cure=limits.CURE)
    known, kept = vocabulary(names)
    return WordVectors.checked(known, vectors if kept.all() else vectors[kept])


def write(path: str, vectors: WordVectors) -> None:
    """Writes the vectors. Raises ModelError for a word with a blank."""
    with replacing(Path(path), last=True) as file:
        file.write(f"{len(vectors)} {vectors.dim}\n".encode())
        for index, row in enumerate(vectors.vectors):
            word = vectors.word(index)
            if " " in word or "\n" in word:
                raise ModelError(
                    f"the word {word!r} has a blank, which word2vec's .bin format cannot represent",
                    where=path,
                    cure="write a .vec",
                )
            file.write(word.encode() + b" " + row.astype("<f4").tobytes() + b"\n")
