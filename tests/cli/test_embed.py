"""`train embeddings` and `embed`, from a text to vectors in every form."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

TEXT = "".join(
    f"the {animal} eats {food} at home\n{person} reads a {thing} in the library\n나는 {animal} 를 좋아한다\n"
    for animal in ("cat", "dog", "horse")
    for food in ("bread", "fish", "meat")
    for person in ("she", "he", "Tom")
    for thing in ("book", "paper", "letter")
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def vectors(here, text, tmp_path):
    done = here(
        "train", "embeddings", text, "-o", "vectors", "--dim", 8, "--epochs", 2, "--threads", 1, "--set", "subsample=0"
    )
    assert done.code == 0, done.err
    assert "next: seqcli embed -m vectors --neighbours" in done.err
    return tmp_path / "vectors"


@pytest.mark.parametrize("arch", ["skipgram", "cbow", "glove"])
def test_one_process_gives_the_same_vectors_to_the_last_bit(here, text, arch):
    command = [
        "train",
        "embeddings",
        text,
        "--arch",
        arch,
        "--dim",
        8,
        "--epochs",
        2,
        "--threads",
        1,
        "-q",
        "--set",
        "seed=4",
    ]
    for name in "ab":
        assert here(*command, "-o", name).code == 0
    one, other = (load_file(f"{name}/state-00000001/model.safetensors") for name in "ab")
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
        assert np.isfinite(one[name]).all()


@pytest.mark.parametrize("arch", ["skipgram", "cbow", "glove"])
def test_words_with_similar_contexts_have_similar_vectors(here, text, arch):
    how = ["--set", "longest=0"] if arch != "glove" else []
    how += ["--set", "subsample=0", "--learning-rate", "0.2"] if arch != "glove" else ["--learning-rate", "0.1"]
    done = here(
        "train", "embeddings", text, "-o", "m", "--arch", arch, "--dim", 16, "--epochs", 60, "--threads", 1, *how
    )
    assert done.code == 0, done.err
    found = here("embed", "-m", "m", "--neighbours", "bread", "--top-k", 2)
    assert {row[0] for row in found.rows} == {"fish", "meat"}, found.out


def test_a_vector_for_every_text_in_every_format(here, vectors):
    texts = ["the cat", "", "she reads 한국", "the cat"]
    rows = here("embed", "-m", vectors, *texts).rows
    assert [row[-1] for row in rows] == texts and {len(row) for row in rows} == {9}
    objects = [json.loads(line) for line in here("embed", "-m", vectors, "--json", *texts).out.splitlines()]
    assert [each["line"] for each in objects] == [1, 2, 3, 4]
    expected = np.array([each["vector"] for each in objects], np.float32)
    np.testing.assert_allclose(np.array([row[:-1] for row in rows], float), expected, atol=1e-6)
    np.testing.assert_array_equal(expected[0], expected[3])
    assert not expected[1].any()
    for name in ("m.npy", "m.safetensors"):
        assert here("embed", "-m", vectors, *texts, "-o", name).code == 0
    np.testing.assert_array_equal(np.load("m.npy"), expected)
    np.testing.assert_array_equal(load_file("m.safetensors")["vectors"], expected)


def test_no_texts_are_an_empty_matrix(here, vectors):
    assert here("embed", "-m", vectors, "-o", "m.npy").code == 0
    assert np.load("m.npy").shape == (0, 0)


def test_analogies_and_neighbours_leave_their_words_out(here, vectors):
    found = json.loads(here("embed", "-m", vectors, "--analogy", "she - he + cat", "--json", "--top-k", 3).out)
    assert found["analogy"] == "she - he + cat" and len(found["neighbours"]) == 3
    assert not {each["word"] for each in found["neighbours"]} & {"she", "he", "cat"}


def test_similarity_agrees_with_pandas(here, vectors, tmp_path):
    import pandas

    pairs = [
        ("cat", "dog", 9.0),
        ("cat", "bread", 2.5),
        ("she", "he", 8.0),
        ("book", "paper", 8.0),
        ("home", "in", 1.0),
    ]
    (tmp_path / "pairs.tsv").write_text("word1\tword2\tscore\n" + "".join(f"{a}\t{b}\t{s}\n" for a, b, s in pairs))
    row = json.loads(here("embed", "-m", vectors, "--similarity", "pairs.tsv", "--json").out)
    lines = here("embed", "-m", vectors, "--json", *(word for a, b, _ in pairs for word in (a, b))).out.splitlines()
    given = np.array([json.loads(line)["vector"] for line in lines]).reshape(-1, 2, 8)
    cosines = (given[:, 0] * given[:, 1]).sum(1) / np.linalg.norm(given, axis=2).prod(axis=1)
    expected = pandas.DataFrame({"a": cosines, "b": [s for *_, s in pairs]}).corr(method="spearman").loc["a", "b"]
    assert row["spearman"] == pytest.approx(expected) and row["pairs"] == 5 and row["missing"] == 0
    assert row["ci_low"] < row["spearman"] < row["ci_high"]


@pytest.mark.parametrize("name", ["m.png", "m.html"])
def test_a_map_is_drawn(here, vectors, tmp_path, name):
    pytest.importorskip("matplotlib")
    assert here("embed", "-m", vectors, "cat", "dog", "한국", "</script>", "--map", name).code == 0
    data = (tmp_path / name).read_bytes()
    if name.endswith("png"):
        assert data.startswith(b"\x89PNG")
    else:
        assert b"http" not in data and data.count(b"</script>") == 1 and b"\\ud55c\\uad6d" in data


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--neighbours", "cat", "--analogy", "a + b"], 2, "cannot be combined with"),
        (["--neighbours", "cat", "a text"], 2, "reads no texts"),
        (["--analogy", "king"], 2, "not an analogy"),
        (["--analogy", "king -"], 2, "not an analogy"),
        (["--map", "map.gif", "a"], 2, "map.gif"),
        (["--map", "map.png", "--projection", "best", "a", "b"], 2, "best"),
        (["--map", "map.html", "a"], 3, "at least 2 texts"),
        (["--similarity", "missing.tsv"], 3, "missing.tsv"),
        (["-o", "m.npy", "--json", "a"], 2, "m.npy"),
    ],
)
def test_invalid_command_lines(here, vectors, arguments, code, said):
    done = here("embed", "-m", vectors, *arguments)
    assert done.code == code and said in done.err and done.err.count("\n") == 1, done.err


def test_words_without_a_vector(here, text):
    here("train", "embeddings", text, "-o", "m", "--dim", 4, "--epochs", 1, "--set", "longest=0", "-q")
    done = here("embed", "-m", "m", "--neighbours", "horze")
    assert done.code == 3 and "no vector for 'horze' in m; did you mean 'horse'?" in done.err
    done = here("embed", "-m", "m", "horze horse")
    assert done.code == 0 and "1 word has no vector" in done.err


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--min-count", 100_000], 3, "no word occurs 100000 times"),
        (["--steps", 3], 2, "--steps has no effect"),
        (["--epochs", 1.5], 2, "whole number"),
        (["--arch", "bert"], 2, "bert"),
        (["--set", "shortest=7"], 2, "longer than longest"),
        (["--arch", "glove", "--learning-rate", 1000, "--epochs", 50], 6, "the loss is not finite"),
        (["--device", "cpu", "--arch", "glove", "--epochs", 1], 0, "--device has no effect"),
    ],
)
def test_invalid_trainings(here, text, arguments, code, said):
    done = here("train", "embeddings", text, "-o", "m", "--dim", 4, "--threads", 1, *arguments)
    assert done.code == code and said in done.err, done.err


def test_a_language_model_embeds_words_and_texts(here, text):
    command = ["train", "lm", text, "-o", "lm", "--arch", "lstm", "--preset", "tiny", "--steps", 3, "--set", "width=8"]
    assert here(*command, "--tokenizer", "words", "-q", "--threads", 1).code == 0
    assert len(here("embed", "-m", "lm", "--neighbours", "cat", "--top-k", 3).rows) == 3
    rows = here("embed", "-m", "lm", "the cat eats", "the cat eats", "at home").rows
    assert rows[0] == rows[1] != rows[2] and len(rows[0]) == 9


def test_a_model_without_embeddings(here, model):
    done = here("embed", "-m", model, "--neighbours", "cat")
    assert done.code == 4 and "has no embeddings" in done.err
