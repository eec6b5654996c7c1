"""Word vectors as text without a header, as GloVe writes them."""

from __future__ import annotations

from seqcli.embeddings.vectors import WordVectors
from seqcli.interop.formats import _vector_text as text

TOOL = "GloVe"
HOLDS = "word vectors"
SUFFIXES = (".glove",)
KEEPS_NGRAMS = False
read = text.read


def matches(head: bytes) -> bool:
    return text.matches(head) and not text.has_header(head)


def write(path: str, vectors: WordVectors) -> None:
    text.write(path, vectors, header=False)
