"""`--limit-vocab FILE`, of every kind of training: the words to know."""

import os

import pytest

from seqcli.tasks.tokenizer_choice import open_tokenizer

NETWORK = ("--preset", "tiny", "--steps", 1, "--set", "width=8", "--precision", "fp32", "--threads", 1)
PAIRS = "a b c\tA B C\nb d b\tB D B\n"
TRAIN = {
    "tokenizer": ("text.txt",),
    "lm": ("text.txt", "--order", 2),
    "classifier": ("labels.txt", "--arch", "ngram", "--valid", "labels.txt"),
    "translator": ("pairs.tsv", "--source-column", "#1", "--target-column", "#2", "--valid", "pairs.tsv", *NETWORK),
}


@pytest.fixture
def train(here, tmp_path):
    """`train("lm", "--tokenizer", "words")`, into `m`."""
    (tmp_path / "text.txt").write_text("a b c\nb d b\n")
    (tmp_path / "pairs.tsv").write_text(PAIRS)
    (tmp_path / "labels.txt").write_text("__label__x a b c\n__label__y b d b\n")
    (tmp_path / "list.txt").write_text("d b\nB never\n")
    (tmp_path / "blank.txt").write_text("\n \n")
    return lambda kind, *more: here("train", kind, *TRAIN[kind], *more, "-o", "m")


@pytest.mark.parametrize("kind", TRAIN)
def test_words_that_are_not_listed_are_unknown(train, tmp_path, kind):
    done = train(kind, "--tokenizer", "words", "--limit-vocab", "list.txt", "--vocab-size", 100)
    assert done.code == 0, done.err
    made = open_tokenizer(str(tmp_path / "m"))
    assert set(made.vocabulary()[3:]) == ({"b", "d", "B"} if kind == "translator" else {"b", "d"})
    assert f"lowered from 100 to {made.vocab_size}" in done.err


@pytest.mark.parametrize("kind", TRAIN)
def test_a_list_without_effect_is_refused_before_any_work(train, tmp_path, kind):
    before = sorted(os.listdir(tmp_path))
    for given, code, says in [
        (("--tokenizer", "characters", "--limit-vocab", "list.txt"), 2, "--limit-vocab needs --tokenizer words"),
        (("--tokenizer", "list.txt", "--limit-vocab", "list.txt"), 2, "--limit-vocab needs --tokenizer words"),
        (("--tokenizer", "words", "--limit-vocab", "nosuch"), 3, "nosuch: no such file"),
        (("--tokenizer", "words", "--limit-vocab", "blank.txt"), 3, "blank.txt: no words to limit the vocabulary to"),
    ]:
        done = train(kind, *given)
        assert done.code == code and says in done.err.splitlines()[-1], done.err
        assert sorted(os.listdir(tmp_path)) == before


def test_rare_characters_become_unknown(train, tmp_path):
    assert train("lm", "--tokenizer", "characters", "--min-count", 2).code == 0
    assert set(open_tokenizer(str(tmp_path / "m")).vocabulary()[3:]) == {" ", "b"}
