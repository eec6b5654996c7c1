"""Word vectors as text with a header: the number of words and the dimension, as word2vec and fastText (.vec) write them."""

from __future__ import annotations

from seqcli.embeddings.vectors import WordVectors
from seqcli.interop.formats import _vector_text as text

TOOL = "word2vec"
HOLDS = "word vectors"
SUFFIXES = (".vec", ".w2v")
KEEPS_NGRAMS = False
read = text.read


def matches(head: bytes) -> bool:
    return text.matches(head) and text.has_header(head)


def write(path: str, vectors: WordVectors) -> None:
    text.write(path, vectors, header=True)
