"""Embeddings in Python: typed results with the numbers of the command line."""

import json

import numpy as np
import pytest

import seqcli
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.interop import word_vectors as interop

LINES = ["the cat eats fish at home", "the dog eats meat at home", "she reads a book", "he reads a paper"] * 8


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embeddings")
    (folder / "text.txt").write_text("".join(line + "\n" for line in LINES))
    return seqcli.train_embeddings(
        folder / "text.txt", folder / "model", dim=6, epochs=3, min_count=2, threads=1, settings={"subsample": 0.0}
    ), folder / "model"


def test_what_is_trained_is_what_is_loaded(trained):
    model, folder = trained
    loaded = seqcli.load(folder)
    assert isinstance(loaded, seqcli.Embeddings) and repr(loaded) == repr(model)
    assert len(loaded) == len(loaded.words) == len(loaded.vectors) and loaded.dim == 6 and loaded.record["dim"] == 6
    assert "cat" in loaded and "cats" not in loaded
    np.testing.assert_array_equal(loaded.vector("cat"), loaded.vectors[loaded.words.index("cat")])
    assert loaded.vector("cats").any()  # of its n-grams


def test_results_have_the_numbers_of_the_command_line(trained, here):
    model, folder = trained
    rows = here("embed", "-m", folder, "--neighbours", "cat", "--json").out
    assert [each.to_dict() for each in model.neighbours("cat")] == json.loads(rows)["neighbours"]
    rows = here("embed", "-m", folder, "--analogy", "cat - fish + meat", "--json", "--top-k", 2).out
    assert [each.to_dict() for each in model.analogy("cat - fish + meat", k=2)] == json.loads(rows)["neighbours"]
    assert model.embed("the cat").shape == (6,)
    assert model.embed(["the cat", "a dog"]).shape == (2, 6)
    assert model.similarity([("cat", "dog", 9), ("cat", "book", 2), ("he", "she", 8)]).pairs == 3


def test_a_word_without_a_vector_is_an_input_error(trained):
    with pytest.raises(seqcli.SeqcliError) as error:
        trained[0].vector("")
    assert error.value.exit_code == 3


def test_a_foreign_file_is_loaded(tmp_path):
    words, _ = vocabulary([b"a", b"b"])
    table = np.array([[1, 2], [3, 4]], np.float32)
    interop.write(str(tmp_path / "v.bin"), WordVectors.checked(words, table), format="word2vec-bin")
    np.testing.assert_array_equal(seqcli.load(tmp_path / "v.bin").vector("b"), table[1])
