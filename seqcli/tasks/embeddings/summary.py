"""The lines that summarise the training of embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqcli.tasks.embeddings.load import OpenEmbeddings

_SKIPPED = 100  # most frequent words are skipped: mostly function words, with uninformative neighbours
_LETTERS = 4


def lines(opened: OpenEmbeddings, record: Mapping[str, Any]) -> Iterator[str]:
    of = "pair of words" if record["arch"] == "glove" else "prediction"
    yield (
        f"{record['vocab_size']:,} words x {record['dim']} numbers, from {record['data']['tokens']:,} words in "
        f"{record['seconds']:.1f} s ({record['words_per_second']:,} words/s), loss {record['loss']:.4f} per {of}"
    )
    vectors, word = opened.vectors, example(opened)
    index = vectors.index([word])
    nearest = vectors.nearest(vectors.vectors[index[0]], k=5, without=index.tolist())
    yield f"nearest to {word}: {', '.join(f'{vectors.word(i)} ({share:.2f})' for i, share in nearest) or 'no other word'}"


def example(opened: OpenEmbeddings) -> str:
    """A fairly frequent word of letters; words are in the order of their frequency."""
    some = [opened.vectors.word(i) for i in range(min(len(opened.vectors), 4 * _SKIPPED))]
    wanted = [word for word in some if word.isalpha() and len(word) >= (_LETTERS if word.isascii() else 2)]
    return wanted[min(_SKIPPED, len(wanted) - 1)] if wanted else some[0]
