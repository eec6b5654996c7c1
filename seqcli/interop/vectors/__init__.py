"""Files of word vectors, in the formats of other tools.

    text.py           word2vec's and fastText's text (.vec) and GloVe's, which has no header
    word2vec_bin.py   word2vec's binary format
    fasttext_bin.py   fastText models, with the vectors of character n-grams

Files are recognised by their contents. Sizes in a header are compared with the file size and with free memory before
anything is allocated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath

from seqcli.embeddings.vectors import WordVectors
from seqcli.errors import ModelError, UsageError
from seqcli.files import file_type, regular
from seqcli.interop.vectors import fasttext_bin, text, word2vec_bin

FORMATS: dict[str, Callable[[str, WordVectors], None]] = {
    "word2vec-text": lambda path, vectors: text.write(path, vectors, header=True),
    "glove": lambda path, vectors: text.write(path, vectors, header=False),
    "word2vec-bin": word2vec_bin.write,
    "fasttext-bin": fasttext_bin.write,
}
_SUFFIXES = {".vec": "word2vec-text", ".w2v": "word2vec-text", ".glove": "glove"}
_HEAD = 1 << 16


def format_of(path: str, *, subwords: bool) -> str | None:
    """The format for writing vectors to `path`, by its suffix; .bin is fastText's if there are n-grams."""
    suffix = PurePath(path).suffix.lower()
    return ("fasttext-bin" if subwords else "word2vec-bin") if suffix == ".bin" else _SUFFIXES.get(suffix)


def is_vectors(path: str) -> bool:
    """Whether a path is a file of word vectors, by its contents."""
    if not os.path.isfile(path):
        return False
    try:
        if text.is_compressed(path):
            return text.matches(text.head(path))
        with regular.opened(path) as file:
            head = file.read(_HEAD)
    except (OSError, ModelError):
        return False
    return fasttext_bin.matches(head) or word2vec_bin.matches(head) or text.matches(head)


def read(path: str, *, threads: int | None = None) -> WordVectors:
    """Reads the vectors of a file; of duplicate words, the first one counts. Raises ModelError if it is damaged or in an
    unknown format."""
    try:
        if text.is_compressed(path):
            return text.read(path, threads=threads)
        with regular.opened(path) as file:
            head = file.read(_HEAD)
        if fasttext_bin.matches(head):
            return fasttext_bin.read(path)
        if word2vec_bin.matches(head):
            return word2vec_bin.read(path)
        if text.matches(head):
            return text.read(path, threads=threads)
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=path, cure="check the path") from None
    if found := file_type.recognised_model(head):
        raise ModelError(found[0], where=path, cure=found[1])
    raise ModelError(
        "not a file of word vectors", where=path, cure="give word2vec, GloVe or fastText vectors, or a model folder"
    )


def write(path: str, vectors: WordVectors, *, format: str) -> None:
    """Writes vectors. Raises ModelError for words that the format cannot represent."""
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", where="--to", cure=f"one of {', '.join(FORMATS)}")
    FORMATS[format](path, vectors)
