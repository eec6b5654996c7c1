"""Hashed character n-grams: one by one as fastText's source has them, and as gensim's own code hashes them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.embeddings import subwords
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


@given(st.lists(st.binary(max_size=12), max_size=4), SIZES)
def test_words_of_other_encodings_have_those_of_fasttext_too(words, sizes):
    """Which takes any run of bytes 0x80 to 0xBF for the rest of a character."""
    lengths = np.array([len(word) for word in words], np.int64)
    found = Subwords(*sizes, buckets=1000).of(
        np.frombuffer(b"".join(words), np.uint8), np.cumsum(lengths) - lengths, lengths
    )
    expected = []
    for word in words:
        characters = re.findall(b"[^\x80-\xbf][\x80-\xbf]*", b"<" + word + b">", re.DOTALL)
        grams = [
            b"".join(characters[i : i + n])
            for i in range(len(characters))
            for n in range(sizes[0], sizes[1] + 1)
            if i + n <= len(characters) and not (n == 1 and i in (0, len(characters) - 1))
        ]
        expected.append([fnv(gram) % 1000 for gram in grams])
    assert [row.tolist() for row in found.rows] == expected


def test_n_grams_of_long_words_come_in_parts(monkeypatch):
    words = [b"short", "\uae34\ub2e8\uc5b4".encode() * 9, b"", b"x" * 30]
    lengths = np.array([len(word) for word in words], np.int64)
    data, starts = np.frombuffer(b"".join(words), np.uint8), np.cumsum(lengths) - lengths
    whole = Subwords(2, 5, 1000).of(data, starts, lengths)
    for size in (1, 7, 16):
        monkeypatch.setattr(subwords, "_AT_ONCE", size)
        parted = Subwords(2, 5, 1000).of(data, starts, lengths)
        assert parted.tokens.tolist() == whole.tokens.tolist() and parted.lengths.tolist() == whole.lengths.tolist()


@pytest.mark.parametrize("word", ["cat", "공부한다", "naïve", "a", "한"])
def test_gensim_hashes_alike(word):
    fasttext = pytest.importorskip("gensim.models.fasttext")
    assert Subwords(3, 6, 2_000_000).of_word(word).tolist() == list(fasttext.ft_ngram_hashes(word, 3, 6, 2_000_000))
