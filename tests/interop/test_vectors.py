"""Foreign word vectors: read as gensim and fastText read them, written so that they read them, damage told."""

import struct

import numpy as np
import pytest

from seqcli.embeddings.subwords import Subwords
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.errors import ModelError, SeqcliError
from seqcli.interop import word_vectors as interop
from seqcli.tasks.embeddings import load

WORDS = ["the", "cat", "한국어", "naïve", "</s>", "-1.5"]
ABSENT = ["cats", "한국", "a", "", "the</s>"]


def made(words=WORDS, *, subwords: bool = False, dim: int = 4) -> WordVectors:
    rng = np.random.default_rng(7)
    names, _ = vocabulary([word.encode() for word in words])
    table = rng.normal(size=(len(words), dim)).astype(np.float32)
    if not subwords:
        return WordVectors.checked(names, table)
    buckets = rng.normal(size=(50, dim)).astype(np.float32)
    return WordVectors.checked(names, table, subwords=Subwords(2, 4, 50), buckets=buckets)


def same(found: WordVectors, expected: WordVectors, *, tolerance: float = 0) -> None:
    assert [found.word(i) for i in range(len(found))] == [expected.word(i) for i in range(len(expected))]
    np.testing.assert_allclose(found.vectors, expected.vectors, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["v.vec", "v.bin", "v.glove", "v.vec.gz"])
def test_what_is_written_is_read(tmp_path, name):
    path = str(tmp_path / name)
    format = interop.format_of(name.removesuffix(".gz"), subwords=False)
    interop.write(path, made(), format=format)
    assert interop.is_vectors(path)
    same(interop.read(path), made())


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_word2vec_and_writes_it(tmp_path, binary):
    models = pytest.importorskip("gensim.models")
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    interop.write(ours, made(), format="word2vec-bin" if binary else "word2vec-text")
    keyed = models.KeyedVectors.load_word2vec_format(ours, binary=binary)
    assert keyed.index_to_key == WORDS
    np.testing.assert_array_equal(keyed.vectors, made().vectors)
    keyed.save_word2vec_format(theirs, binary=binary)
    same(interop.read(theirs), made(), tolerance=0 if binary else 1e-6)


def test_fasttext_and_gensim_read_a_model_with_n_grams(tmp_path):
    path, expected = str(tmp_path / "v.bin"), made(subwords=True)
    interop.write(path, expected, format="fasttext-bin")
    found = interop.read(path)
    same(found, expected, tolerance=1e-6)
    fasttext = pytest.importorskip("fasttext").load_model(path)
    gensim = pytest.importorskip("gensim.models.fasttext").load_facebook_vectors(path)
    for word in [*WORDS, *filter(None, ABSENT)]:
        np.testing.assert_allclose(found.of([word])[0][0], fasttext.get_word_vector(word), atol=1e-6)
        if word != "</s>":  # gensim adds n-grams that fastText does not
            np.testing.assert_allclose(found.of([word])[0][0], gensim.get_vector(word), atol=1e-6)


@pytest.mark.parametrize("arch", ["skipgram", "cbow", "supervised"])
def test_vectors_of_fasttext_s_own_models(tmp_path, arch):
    fasttext = pytest.importorskip("fasttext")
    text = "".join(f"__label__{i % 2} the cat {i % 7} 한국어 공부 를 합니다 sleeps\n" for i in range(60))
    (tmp_path / "text.txt").write_text(text)
    # fastText 0.9.3 initializes a tenth of its table per thread, and no rest: it takes 10 or more, and sizes divisible by 10.
    how = {"minn": 2, "maxn": 5, "dim": 10, "bucket": 100, "minCount": 1, "epoch": 2, "thread": 12, "verbose": 0}
    if arch == "supervised":
        model = fasttext.train_supervised(str(tmp_path / "text.txt"), **how)
    else:
        model = fasttext.train_unsupervised(str(tmp_path / "text.txt"), arch, **how)
    model.save_model(str(tmp_path / "model.bin"))
    found = interop.read(str(tmp_path / "model.bin"))
    assert [found.word(i) for i in range(len(found))] == model.words
    for word in [*model.words, "cats", "공부합니다", "xyz", "é", "a"]:
        np.testing.assert_allclose(found.of([word])[0][0], model.get_word_vector(word), atol=1e-6)


def test_numbers_are_counted_from_the_right(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("the 0.5 1\nat name@domain.com 2 -3e-2\n. . . 4 5\nthe 9 9\n", encoding="utf-8")
    found = interop.read(str(path))
    assert [found.word(i) for i in range(len(found))] == ["the", "at name@domain.com", ". . ."]
    np.testing.assert_allclose(found.of(["at name@domain.com", "the"])[0], [[2, -0.03], [0.5, 1]], rtol=1e-6)


def damaged() -> dict[str, bytes]:
    """Files that are not what they claim, by what is wrong."""
    text = b"2 3\na 1 2 3\nb 4 5 6\n"
    row = b"a " + struct.pack("<3f", 1, 2, 3)
    return {
        "more vectors than lines": text.replace(b"2 3", b"3 3"),
        "fewer vectors than lines": text.replace(b"2 3", b"1 3"),
        "vast": text.replace(b"2 3", b"999999999999 300"),
        "no words": b"0 3\na 1 2 3\n",
        "another width": text + b"c 1 2\n",
        "no number": text.replace(b"5", b"five"),
        "nan": text.replace(b"5", b"nan"),
        "binary truncated": b"2 3\n" + row + b"\nb \x00\x00",
        "binary vast": b"99999999 3\n" + row,
        "binary with a tail": b"1 3\n" + row + b"tail",
        "binary nan": b"1 3\na " + struct.pack("<3f", 1, float("nan"), 3),
        "prose": b"this is a text\nof two lines\n",
        "nothing": b"",
    }


@pytest.mark.parametrize("what", damaged())
def test_damage_is_a_model_error_in_one_line(tmp_path, here, what):
    path = tmp_path / "file"
    path.write_bytes(damaged()[what])
    with pytest.raises(ModelError) as error:
        interop.read(str(path))
    assert "file" in str(error.value) and "\n" not in str(error.value)
    assert here("embed", "-m", path, "--neighbours", "a").code == 4


def test_every_truncation_of_a_fasttext_model_raises_an_error(tmp_path):
    path = tmp_path / "v.bin"
    interop.write(str(path), made(subwords=True), format="fasttext-bin")
    whole = path.read_bytes()
    needed = len(whole) - (1 + 16 + 4 * 4 * len(WORDS))  # the output matrix is not read
    for size in [4, 7, 8, 30, 60, 63, 64, 90, 120, 150, 200, 250, needed - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError):
            interop.read(str(path))


@pytest.mark.parametrize(
    "at, value", [(4, 99), (8, -1), (8, 1 << 30), (40, 0), (44, 1 << 30), (64, 1 << 30), (68, -5), (84, 7)]
)
def test_a_fasttext_header_that_lies(tmp_path, at, value):
    path = tmp_path / "v.bin"
    interop.write(str(path), made(subwords=True), format="fasttext-bin")
    data = bytearray(path.read_bytes())
    struct.pack_into("<q" if at == 84 else "<i", data, at, value)
    path.write_bytes(data)
    with pytest.raises(SeqcliError) as error:
        interop.read(str(path))
    assert error.value.exit_code == 4


def test_words_that_a_format_cannot_hold(tmp_path):
    with pytest.raises(ModelError, match="blank"):
        interop.write(str(tmp_path / "v.bin"), made(["New York", "a"]), format="word2vec-bin")


def test_convert_goes_both_ways(here, tmp_path):
    expected = made(subwords=True)
    interop.write(str(tmp_path / "v.bin"), expected, format="fasttext-bin")
    assert here("convert", "v.bin", "folder").code == 0
    assert here("convert", "folder", "again.bin").code == 0
    done = here("convert", "folder", "plain.vec")
    assert done.code == 0 and "has no n-grams" in done.err
    for name in ("folder", "again.bin"):
        rows = here("embed", "-m", name, "cats").rows
        np.testing.assert_allclose(np.array(rows[0][:-1], float), expected.of(["cats"])[0][0], atol=2e-6)
    same(interop.read("plain.vec"), expected, tolerance=1e-6)
    assert here("convert", "folder", "plain.vec").code == 2
    assert here("convert", "folder", "plain.dat").code == 2
    assert here("convert", "folder", "plain.dat", "--to", "glove").code == 0
    assert here("info", "folder").code == 0


def test_a_large_file_is_read_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(load, "_QUICK", 0)
    path, notes = str(tmp_path / "v.vec"), []
    interop.write(path, made(), format="word2vec-text")
    reporter = type("Notes", (), {"note": staticmethod(notes.append)})
    same(load._vectors_of_file(path, reporter=reporter), made())
    monkeypatch.setattr(interop, "read", None)
    again = load._vectors_of_file(path, reporter=reporter)
    same(again, made())
    assert len(notes) == 1 and not again.vectors.flags.owndata
