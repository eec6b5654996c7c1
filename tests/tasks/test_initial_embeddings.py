"""`--embeddings`: networks of every task begin with given word vectors, and keep them where they are frozen."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.interop import word_vectors as interop
from seqcli.runs.model_folder import ModelFolder

TEXT = ["the cat sleeps at home", "the dog sleeps at night", "the dog saw the cat", "the cat saw The dog"] * 6
KNOWN = ["the", "cat", "dog", "sleeps"]
DIM = 8


@pytest.fixture
def files(tmp_path):
    words, _ = vocabulary([word.encode() for word in KNOWN])
    table = 100 * np.random.default_rng(0).normal(size=(len(KNOWN), DIM)).astype(np.float32)
    interop.write(str(tmp_path / "v.vec"), WordVectors.checked(words, table), format="word2vec-text")
    (tmp_path / "text.txt").write_text("".join(f"{line} {i}\n" for i, line in enumerate(TEXT)))
    rows = "".join(f"{'ab'[i % 2]}\t{line} {i}\n" for i, line in enumerate(TEXT))
    (tmp_path / "labelled.tsv").write_text("label\ttext\n" + rows)
    pairs = "".join(f"{line} {i}\t{line} {i}\n" for i, line in enumerate(TEXT))
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + pairs)
    return dict(zip(KNOWN, table))


COMMANDS = {
    "lm lstm": ("lm", "text.txt", "--arch", "lstm", "--set", "width=12"),
    "lm feedforward": ("lm", "text.txt", "--arch", "feedforward", "--set", "width=12"),
    "lm transformer": ("lm", "text.txt", "--arch", "transformer", "--set", "heads=2", "--set", "layers=1"),
    "classifier cnn": ("classifier", "labelled.tsv", "--arch", "cnn", "--set", "filters=4"),
    "classifier gru": ("classifier", "labelled.tsv", "--arch", "gru", "--set", "width=6", "--set", "members=2"),
    "translator gru": ("translator", "pairs.tsv", "--arch", "gru", "--set", "width=12"),
}


def train(here, name: str, *more: object):
    task, data, *rest = COMMANDS[name]
    tokenizer = ["--tokenizer", "words"]
    how = ["--preset", "tiny", "--steps", 3, "--threads", 1, "--precision", "fp32", *tokenizer, "--embeddings", "v.vec"]
    return here("train", task, data, "-o", "m", *rest, *how, *more)


@pytest.mark.parametrize("name", COMMANDS)
def test_frozen_embeddings_are_the_given_vectors(here, files, name):
    done = train(here, name, "--freeze-embeddings")
    assert done.code == 0, done.err
    assert "5 of " in done.err and "tokens have a vector in v.vec" in done.err
    run = ModelFolder.open("m")
    assert run.config["embeddings"] == {"source": "v.vec", "frozen": True}
    pieces = run.tokenizers()[0].vocabulary()
    tables = {
        key: array
        for key, array in run.tensors(whole=True).items()
        if key.endswith("embedding.weight") and len(array) == len(pieces)
    }
    assert len(tables) >= (2 if "members" in str(COMMANDS[name]) else 1)
    for table in tables.values():
        scales = [table[pieces.index(word)] / vector for word, vector in files.items()]
        np.testing.assert_allclose(scales, np.full((len(KNOWN), DIM), scales[0][0]), rtol=1e-5)
        assert table.shape[1] == DIM and 0 < scales[0][0] < 0.1  # brought to the length of the network's own
    if "The" in pieces:
        table = next(iter(tables.values()))
        np.testing.assert_array_equal(table[pieces.index("The")], table[pieces.index("the")])


def test_embeddings_that_are_not_frozen_are_trained(here, files):
    assert train(here, "lm lstm").code == 0
    table = load_file(next(ModelFolder.open("m").path.glob("state-*/model.safetensors")))["body.embedding.weight"]
    pieces = ModelFolder.open("m").tokenizer().vocabulary()
    cosines = [
        float(table[pieces.index(word)] @ vector / np.linalg.norm(table[pieces.index(word)]) / np.linalg.norm(vector))
        for word, vector in files.items()
    ]
    assert all(0.5 < cosine < 0.999999 for cosine in cosines)


def test_frozen_embeddings_resume(here, files):
    assert train(here, "lm lstm", "--freeze-embeddings").code == 0
    before = ModelFolder.open("m").tensors(whole=True)["body.embedding.weight"].copy()
    done = here("train", "lm", "text.txt", "-o", "m", "--arch", "lstm", "--set", "width=12", "--preset", "tiny", "--steps", 6, "--threads", 1,
                "--precision", "fp32", "--tokenizer", "words", "--embeddings", "v.vec", "--freeze-embeddings", "--resume")  # fmt: skip
    assert done.code == 0, done.err
    np.testing.assert_array_equal(ModelFolder.open("m").tensors(whole=True)["body.embedding.weight"], before)


@pytest.mark.parametrize(
    "more, code, said",
    [
        (["--set", "embedding=5"], 2, "vectors of 8 numbers do not fit embeddings of 5"),
        (["--arch", "ngram"], 2, "--embeddings has no effect with --arch ngram"),
        (["--embeddings", "missing.vec"], 4, "missing.vec"),
    ],
)
def test_what_does_not_fit_is_refused(here, files, more, code, said):
    command = ["train", "lm", "text.txt", "-o", "m", "--preset", "tiny"]
    command += [] if "--arch" in more else ["--arch", "lstm", "--steps", 1]
    command += [] if "--embeddings" in more else ["--embeddings", "v.vec"]
    done = here(*command, *more)
    assert done.code == code and said in done.err, done.err


def test_vectors_of_no_token_are_refused(here, files, tmp_path):
    (tmp_path / "v.vec").write_text("1 2\n한국 1 2\n", encoding="utf-8")
    done = train(here, "lm lstm")
    assert done.code == 2 and "no vector for any token" in done.err
    assert here("train", "lm", "text.txt", "-o", "n", "--freeze-embeddings").code == 2
