"""What formats of word vectors as text share: a word and its numbers on each line.

word2vec and fastText begin with a header, the number of words and the dimension; GloVe does not. A word may contain blanks
(GloVe's 840B has `at name@domain.com`), so the numbers of a line are counted from its end. Without a header, the dimension
is that of the shortest of the first lines, whose word has no blanks.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from seqcli.data.files import compressed, compression, opened
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.errors import InputError, ModelError
from seqcli.files.atomic import replacing
from seqcli.interop import limits
from seqcli.system.workers import ordered_map

_BLOCK = 1 << 22
_HEAD_LINES = 200
_AT_ONCE = 4096  # number of vectors to write at a time
_SHORTEST = 2  # bytes of a number with the blank before it, at least


def is_compressed(path: str) -> bool:
    return compression(path) is not None


def head(path: str) -> bytes:
    try:
        with opened(path) as file:
            return file.read(1 << 16)
    except InputError:
        return b""


def matches(beginning: bytes) -> bool:
    """Whether a file begins with a line of a word and numbers, possibly after a header."""
    if has_header(beginning):
        beginning = beginning.partition(b"\n")[2]
    lines = beginning.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # it may be incomplete
    fields = lines[0].rstrip().split(b" ")
    return len(fields) > 1 and all(map(_is_number, fields[-min(len(fields) - 1, 3) :]))


def has_header(beginning: bytes) -> bool:
    """Whether the first of several lines is a header."""
    first, _, rest = beginning.partition(b"\n")
    return bool(rest) and _header(first) is not None


def read(path: str, *, threads: int | None = None) -> WordVectors:
    """Reads the vectors. Raises ModelError."""
    try:
        with opened(path) as file:
            return _read(
                path, _blocks(file), size=None if is_compressed(path) else os.path.getsize(path), threads=threads
            )
    except InputError as error:  # these bytes belong to a binary model
        raise ModelError(error.what, where=error.where or path, cure=error.cure or limits.CURE) from None


def _read(path: str, blocks: Iterator[bytes], *, size: int | None, threads: int | None) -> WordVectors:
    first = next(blocks, b"")
    claimed, lines = _header(first.partition(b"\n")[0]), 1
    if claimed:
        first, lines = first.partition(b"\n")[2], 2
        if not first:
            first = next(blocks, b"")
        dim = claimed[1]
        if size is not None:
            limits.check(path, words=claimed[0], dim=dim, room=size, each=_SHORTEST)
    else:
        some = [line.rstrip() for line in first.split(b"\n")[:_HEAD_LINES] if line.strip()]
        dim = min((line.count(b" ") for line in some), default=0)
        if size is not None:
            limits.check_memory(path, 4 * size // _SHORTEST)
    if not 0 < dim <= limits.LARGEST_DIM:
        raise ModelError("not a file of word vectors", where=path, cure=limits.CURE)
    words, vectors, held = [], [], 0
    for names, numbers, fault in ordered_map(partial(_parsed, dim), _joined(first, blocks), workers=threads):
        if fault is not None:
            number = lines + fault
            raise ModelError(f"{dim:,} numbers expected after a word", where=f"{path}, line {number}", cure=limits.CURE)
        lines += len(names)
        words += names
        vectors.append(numbers)
        held += numbers.nbytes
        limits.check_memory(path, held)  # concatenated below
    if claimed and claimed[0] != len(words):
        raise ModelError(
            f"claims {claimed[0]:,} vectors but contains {len(words):,}: truncated or damaged",
            where=path,
            cure=limits.CURE,
        )
    if not words:
        raise ModelError("contains no vectors", where=path, cure=limits.CURE)
    known, kept = vocabulary(words)
    return WordVectors.checked(known, np.concatenate(vectors)[kept])


def _parsed(dim: int, block: bytes) -> tuple[list[bytes], np.ndarray, int | None]:
    """The words and vectors of complete lines, and the index of the first line without `dim` finite numbers, if any."""
    rows = [line.rstrip(b" \r\t").rsplit(b" ", dim) for line in block.split(b"\n")[:-1]]
    for number, row in enumerate(rows):
        if len(row) != dim + 1:
            return [], np.zeros((0, dim), np.float32), number
    numbers = _numbers(b" ".join(b" ".join(row[1:]) for row in rows))
    if len(numbers) != dim * len(rows) or not np.isfinite(numbers).all():
        wrong = (number for number, row in enumerate(rows) if not _is_row(row[1:], dim))
        return [], np.zeros((0, dim), np.float32), next(wrong, 0)
    names = [row[0].decode("utf-8", "replace").encode() for row in rows]
    return names, numbers.reshape(len(rows), dim), None


def _numbers(text: bytes) -> np.ndarray:
    """The numbers; empty if one of them is invalid."""
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore")  # older versions of numpy warn about an invalid number and stop there
        try:
            return np.fromstring(text, np.float32, sep=" ")
        except ValueError:
            return np.zeros(0, np.float32)


def _is_row(fields: list[bytes], dim: int) -> bool:
    numbers = _numbers(b" ".join(fields))
    return len(numbers) == dim and bool(np.isfinite(numbers).all())


def _is_number(field: bytes) -> bool:
    try:
        float(field)
        return True
    except ValueError:
        return False


def _header(line: bytes) -> tuple[int, int] | None:
    fields = line.split()
    if len(fields) == 2 and all(field.isdigit() and len(field) <= 18 for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _blocks(file) -> Iterator[bytes]:
    """Complete lines, about `_BLOCK` bytes at a time; the last one may lack a line feed in the file."""
    rest = b""
    while data := file.read(_BLOCK):
        data = rest + data
        end = data.rfind(b"\n") + 1
        if not end and len(data) > 64 * _BLOCK:
            raise InputError("a line is too long for a word and its vector")
        if end:
            yield data[:end]
        rest = data[end:]
    if rest:
        yield rest + b"\n"


def _joined(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


def write(path: str, vectors: WordVectors, *, header: bool) -> None:
    """A line for each word, with enough digits to restore the numbers exactly. Raises ModelError."""
    with replacing(Path(path), last=True) as plain, compressed(plain, path) as file:
        if header:
            file.write(f"{len(vectors)} {vectors.dim}\n".encode())
        for first in range(0, len(vectors), _AT_ONCE):
            numbers = vectors.vectors[first : first + _AT_ONCE].astype(str).tolist()
            rows = []
            for index, row in enumerate(numbers, first):
                word = vectors.word(index)
                if "\n" in word:
                    raise ModelError(
                        f"the word {word!r} has a line feed, which a text file cannot represent",
                        where=path,
                        cure="write a .bin",
                    )
                rows.append(f"{word} {' '.join(row)}\n")
            file.write("".join(rows).encode())
