"""Word vectors: lookup, means, neighbours and analogies, against gensim where it is installed."""

import numpy as np
import pytest

from seqcli.embeddings.subwords import Subwords
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.tasks.embeddings import queries
from seqcli.tasks.embeddings.load import OpenEmbeddings

NAMES = ["king", "queen", "man", "woman", "New York", "</s>", "한국", "zero"]


@pytest.fixture
def vectors() -> WordVectors:
    table = np.random.default_rng(2).normal(size=(len(NAMES), 5)).astype(np.float32)
    table[-1] = 0
    words, _ = vocabulary([name.encode() for name in NAMES])
    return WordVectors.checked(words, table)


def test_words_are_found_by_their_whole_name(vectors):
    assert [vectors.word(i) for i in range(len(vectors))] == NAMES
    assert vectors.index([*NAMES, "york", ""]).tolist() == [*range(len(NAMES)), -1, -1]


def test_a_text_is_the_mean_of_its_known_words(vectors):
    means, unknown = vectors.of_texts(b"king man nobody\n\nnobody\n")
    np.testing.assert_allclose(
        means, [(vectors.vectors[0] + vectors.vectors[2]) / 2, np.zeros(5), np.zeros(5)], rtol=1e-6
    )
    assert unknown.tolist() == [1, 0, 1]


def test_unknown_words_are_the_mean_of_their_n_grams(vectors):
    buckets = np.random.default_rng(4).normal(size=(50, 5)).astype(np.float32)
    subwords = Subwords(3, 4, 50)
    with_grams = WordVectors.checked(vectors.words, vectors.vectors, subwords=subwords, buckets=buckets)
    found, known = with_grams.of(["kings", "king", ""])
    np.testing.assert_allclose(found[0], buckets[subwords.of_word("kings")].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(found[1], vectors.vectors[0])
    assert known.tolist() == [True, True, False]  # "<>" has no n-gram of three characters


def test_the_first_of_equal_words_counts():
    words, first = vocabulary([b"a", b"b", b"a"])
    assert first.tolist() == [True, True, False] and words.vocab_size == 3 + 2


def test_neighbours_and_analogies_are_those_of_gensim(vectors):
    keyed = pytest.importorskip("gensim.models").KeyedVectors(5)
    keyed.add_vectors(NAMES[:-1], vectors.vectors[:-1])
    words, _ = vocabulary([name.encode() for name in NAMES[:-1]])
    own = WordVectors.checked(words, vectors.vectors[:-1])
    opened = OpenEmbeddings("m", "skipgram", own, own.of_texts)
    found = [(each.word, each.similarity) for each in queries.neighbours(opened, "king", k=4)]
    for (word, similarity), (expected, cosine) in zip(found, keyed.most_similar("king", topn=4), strict=True):
        assert word == expected and similarity == pytest.approx(cosine, abs=1e-5)
    found = [each.word for each in queries.analogy(opened, "king - man + woman", k=4)]
    assert found == [word for word, _ in keyed.most_similar(positive=["king", "woman"], negative=["man"], topn=4)]


def test_more_neighbours_than_words(vectors):
    assert len(vectors.nearest(vectors.vectors[0], k=100, without=[0])) == len(NAMES) - 1
