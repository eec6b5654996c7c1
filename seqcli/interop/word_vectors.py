"""Files of word vectors, in any of the formats of `interop/formats` that hold them.

Files are recognised by their contents. Sizes in a header are compared with the file size and with free memory before anything is
allocated.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from types import ModuleType

from seqcli.embeddings.vectors import WordVectors
from seqcli.errors import ModelError, UsageError
from seqcli.files import file_type, regular
from seqcli.interop import formats
from seqcli.interop.formats import _vector_text as text

_HEAD = 1 << 16


def _formats() -> dict[str, ModuleType]:
    return {name: formats.load(name) for name in formats.names() if formats.holds(name) == formats.VECTORS}


def format_of(path: str, *, subwords: bool) -> str | None:
    """The format for writing vectors to `path`, by its suffix; of several the one that keeps n-grams, if there are any (`subwords`)."""
    suffix = PurePath(path).suffix.lower()
    known = {name: module for name, module in _formats().items() if suffix in module.SUFFIXES}
    return min(known, key=lambda name: subwords != known[name].KEEPS_NGRAMS, default=None)


def is_vectors(path: str) -> bool:
    """Whether a path is a file of word vectors, by its contents."""
    if not os.path.isfile(path):
        return False
    try:
        if text.is_compressed(path):
            return text.matches(text.head(path))
        return _matching(_head(path)) is not None
    except (OSError, ModelError):
        return False


def read(path: str, *, threads: int | None = None) -> WordVectors:
    """Reads the vectors of a file; of duplicate words, the first one counts. Raises ModelError if it is damaged or in an
    unknown format."""
    try:
        if text.is_compressed(path):
            return text.read(path, threads=threads)
        head = _head(path)
        if module := _matching(head):
            return module.read(path, threads=threads)
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=path, cure="check the path") from None
    if found := file_type.recognised_model(head):
        raise ModelError(found[0], where=path, cure=found[1])
    raise ModelError(
        "not a file of word vectors", where=path, cure="give word2vec, GloVe or fastText vectors, or a model folder"
    )


def write(path: str, vectors: WordVectors, *, format: str) -> None:
    """Writes vectors. Raises ModelError for words that the format cannot represent."""
    known = _formats()
    if format not in known:
        raise UsageError(f"unknown format {format!r}", where="--to", cure=f"one of {', '.join(known)}")
    known[format].write(path, vectors)


def _head(path: str) -> bytes:
    with regular.opened(path) as file:
        return file.read(_HEAD)


def _matching(head: bytes) -> ModuleType | None:
    return next((module for module in _formats().values() if module.matches(head)), None)
