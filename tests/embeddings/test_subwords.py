"""Hashed character n-grams: one by one as fastText's source has them, and as gensim's own code hashes them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.embeddings.subwords import Subwords

WORDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" \n"), min_size=0, max_size=12), max_size=6
)
SIZES = st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def fnv(data: bytes) -> int:
    """fastText's Dictionary::hash, byte by byte."""
    h = 2166136261
    for byte in data:
        h = ((h ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return h


def ngrams(word: str, shortest: int, longest: int) -> list[str]:
    """fastText's Dictionary::computeSubwords: by beginning, shorter ones first."""
    wrapped = f"<{word}>"
    return [
        wrapped[i : i + n]
        for i in range(len(wrapped))
        for n in range(shortest, longest + 1)
        if i + n <= len(wrapped) and not (n == 1 and (i == 0 or i + n == len(wrapped)))
    ]


@given(WORDS, SIZES)
def test_each_n_gram_has_the_bucket_of_fasttext(words, sizes):
    data = [word.encode() for word in words]
    lengths = np.array([len(word) for word in data], np.int64)
    found = Subwords(*sizes, buckets=1000).of(
        np.frombuffer(b"".join(data), np.uint8), np.cumsum(lengths) - lengths, lengths
    )
    expected = [[fnv(gram.encode()) % 1000 for gram in ngrams(word, *sizes)] for word in words]
    assert [row.tolist() for row in found.rows] == expected


@pytest.mark.parametrize("word", ["cat", "공부한다", "naïve", "a", "한"])
def test_gensim_hashes_alike(word):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    assert Subwords(3, 6, 2_000_000).of_word(word).tolist() == list(fasttext.ft_ngram_hashes(word, 3, 6, 2_000_000))
