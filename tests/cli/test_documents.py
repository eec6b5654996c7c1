"""Records as documents through the commands: what a line feed inside a record is, and a written `<unk>`."""

import itertools
import json
import math

import pytest

from seqcli.commands.tokenize import rows
from seqcli.interfaces import SILENT
from seqcli.tasks.language.data import Corpus, read
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.text import BOS_ID

DOCUMENTS = ["the cat saw\nthe dog\n", "the dog", "", "my computer\n\nis very slow"]


@pytest.fixture
def table(tmp_path):
    """The documents in a table, with a column beside them, and in files of their own."""
    rows = [{"text": text, "name": f"n{k}"} for k, text in enumerate(DOCUMENTS)]
    (tmp_path / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for k, text in enumerate(DOCUMENTS):
        (tmp_path / f"{k}.txt").write_text(text or "\n")
    return tmp_path / "table.jsonl"


def test_a_row_of_a_table_is_a_document(here, models, table):
    for name in ("document", "characters"):
        command = ["score", "--unit", "document", "-m", models(name), "-q"]
        rows = here(*command, "-i", table, "--keep", "name").rows
        alone = [here(*command, "-i", table.parent / f"{k}.txt").rows[0] for k in range(4)]
        assert [row[:5] for row in rows] == [row[:5] for row in alone]
        assert [row[5] for row in rows] == ["n0", "n1", "n2", "n3"]
        assert [row[:5] for row in here(*command, *DOCUMENTS).rows] == [row[:5] for row in alone]
        several = [word for k in range(4) for word in ("-i", f"{k}.txt")]
        assert [row[:5] for row in here(*command, *several).rows] == [row[:5] for row in alone]


def test_an_empty_file_among_several_is_a_row(here, models, table):
    (table.parent / "empty.txt").write_text("")
    done = here(
        "score", "--unit", "document", "-m", models("document"), "-i", "empty.txt", "-i", "1.txt", "-i", "empty.txt"
    )
    assert [(row[3], row[5]) for row in done.rows] == [("0", "empty.txt"), ("3", "1.txt"), ("0", "empty.txt")]


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_every_row_of_a_table_begins_a_document(tmp_path, table, kind):
    corpus = Corpus((str(table),), unit="document")
    reading = read(corpus, TokenizerChoice(kind), folder=tmp_path, threads=1, reporter=SILENT)
    tokenizer = reading.tokenizer
    texts = [text if text.endswith("\n") else text + "\n" for text in DOCUMENTS]
    expected = [[BOS_ID, *tokenizer.encode(text.encode(), unit="document").tokens.tolist()] for text in texts]
    assert reading.stream.tolist() == [token for row in expected for token in row]
    assert reading.rows == len(DOCUMENTS)


def test_a_line_feed_is_the_same_in_every_mode_of_tokenize(here, models, table):
    for name, given in (
        ("words", "a\nb"),
        ("sentencepiece", "the\ncat"),
        ("document", "the cat\n\nzz"),
        ("characters", "a\nb"),
    ):
        ids = here("tokenize", given, "-m", models(name), "--ids").rows[0][0].split()
        pieces = json.loads(here("tokenize", given, "-m", models(name), "--offsets").out)["pieces"]
        assert [str(piece["id"]) for piece in pieces] == ids
        assert here("tokenize", given, "-m", models(name), "--count").rows == [[str(len(ids))]]
        back = here("tokenize", "-m", models(name), "--ids", "--decode", stdin=" ".join(ids).encode() + b"\n").out
        if name == "document":
            assert back == "the cat\\n\\n<unk>\n" and ids.count("2") == 2


@pytest.mark.parametrize("more", [[], ["--json"], ["--ids"], ["--json", "--ids"], ["--offsets"]])
def test_a_long_record_is_written_in_parts(here, models, monkeypatch, more):
    whole = here("tokenize", "the cat " * 9, "나는", "-m", models("sentencepiece"), *more)
    monkeypatch.setattr(rows, "_LONG", 1)
    monkeypatch.setattr(rows, "_AT_ONCE", 4)
    assert here("tokenize", "the cat " * 9, "나는", "-m", models("sentencepiece"), *more) == whole and whole.code == 0


def test_a_written_unk_is_an_unknown_word(here, model, models):
    text, zz = "the <unk> cat", "the zz cat"
    for mode in ([], ["--level", "token"], ["--level", "word"], ["--level", "corpus"], ["--context", "<unk> saw"]):
        one, other = here("score", text, "-m", model, *mode), here("score", zz, "-m", model, *mode)
        column = {"corpus": 4, "token": 3, "word": 3}.get(mode[1] if "--level" in mode else "", 0)  # log_prob
        assert [row[column] for row in one.rows] == [row[column] for row in other.rows]
        assert "1 <unk> in the text" in one.err and "written" not in other.err
    assert (
        here("generate", "the <unk>", "-m", model, "--next", "3").out
        == here("generate", "the zz", "-m", model, "--next", "3").out
    )
    assert "written" not in here("score", text, "-m", models("characters")).err


def test_context_is_text_and_its_file_another_option(here, model, tmp_path):
    (tmp_path / "the").write_text("zzz\n")
    as_text = here("score", "cat", "-m", model, "--context", "the").rows
    assert as_text == here("score", "cat", "-m", model, "--context", "the ").rows
    assert as_text != here("score", "cat", "-m", model, "--context-file", "the").rows
    done = here("score", "cat", "-m", model, "--context", "a", "--context-file", "the")
    assert done.code == 2 and "--context cannot be combined with --context-file" in done.err


def test_an_empty_context_means_no_context(here, models, tmp_path):
    """p(text | context) = p(context + text) / p(context), where p of nothing is 1."""
    (tmp_path / "text.txt").write_text("one\n\ntwo\n" * 5)
    characters = tmp_path / "characters"
    made = here(
        "train",
        "lm",
        "text.txt",
        "-o",
        characters,
        "--tokenizer",
        "characters",
        "--unit",
        "document",
        "--order",
        3,
        "-q",
    )
    assert made.code == 0
    (tmp_path / "contexts").write_text("\none\n")
    for model in (characters, models("words"), models("document")):
        for level in ("sentence", "token", "word"):
            command = ["score", "two", "-m", model, "--level", level, "-q"]
            assert here(*command, "--context", "").rows == here(*command).rows
            each = here(
                "score", "two", "two", "-m", model, "--level", level, "-q", "--json", "--context-file", "contexts"
            ).out
            alone = [here(*command, "--json", "--context", context).out for context in ("", "one")]
            assert each == alone[0] + alone[1].replace('"line": 1', '"line": 2')


def test_the_best_segmentations_of_a_document_are_those_of_its_lines(here, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat\nthe dog sat\n나는 학교에 갔다\n" * 9, encoding="utf-8")
    made = here(
        "train",
        "lm",
        "text.txt",
        "-o",
        "m",
        "--tokenizer",
        "sentencepiece",
        "--vocab-size",
        290,
        "--unit",
        "document",
        "-q",
    )
    assert made.code == 0
    end, lines, k = "</s>", ["the cat", "", "sat on"], 5
    of_lines = [
        [(best["pieces"], best["log_prob"]) for best in json.loads(row)["n_best"]]
        for row in here("tokenize", "-m", "m", "--n-best", k, "--json", *lines).out.splitlines()
    ]
    every = sorted(
        (
            (sum(score for _, score in chosen), [piece for pieces, _ in chosen for piece in [*pieces, end]][:-1])
            for chosen in itertools.product(*of_lines)
        ),
        key=lambda pair: -pair[0],
    )
    (row,) = map(json.loads, here("tokenize", "-m", "m", "--n-best", k, "--json", "\n".join(lines)).out.splitlines())
    assert [best["log_prob"] for best in row["n_best"]] == pytest.approx([score for score, _ in every[:k]])
    assert row["n_best"][0]["pieces"] == every[0][1]
    assert all(best["pieces"].count(end) == 2 for best in row["n_best"])
    usual = json.loads(here("tokenize", "-m", "m", "--json", "\n".join(lines)).out)["pieces"]
    assert row["n_best"][0]["pieces"] == usual


def test_a_context_is_a_record(here, models, tmp_path):
    """Malformed UTF-8 in it becomes U+FFFD with a note, at every level, and --strict stops at it."""
    for name in ("words", "characters", "sentencepiece"):
        for level in ("sentence", "token", "word"):
            command = ["score", "cat", "-m", models(name), "--level", level]
            malformed = here(*command, "--context", "the\udcff")
            assert malformed.code == 0 and malformed.out == here(*command, "--context", "the\ufffd").out
            assert "1 malformed UTF-8 sequence replaced by U+FFFD: --context" in malformed.err
            assert here(*command, "--context", "the\r\ndog").out == here(*command, "--context", "the\ndog").out
    strict = here("score", "cat", "-m", models("words"), "--context", "the\udcff", "--strict")
    assert strict.code == 3 and "--context: not valid UTF-8; leave out --strict" in strict.err


def test_an_empty_record_has_no_bytes_where_no_line_end_is_predicted(here, tmp_path):
    (tmp_path / "text.txt").write_text("one\ntwo\n" * 5)
    train = ["train", "lm", "text.txt", "--tokenizer", "characters", "--unit", "document", "--order", 2, "-q"]
    assert here(*train, "-o", "m").code == 0
    assert here("score", "-m", "m", "", "-q").rows == [["0.000000", "", "", "0", "0", ""]]
    (row,) = here("score", "-m", "m", "tw", "", "--level", "corpus", "-q").rows
    assert row[7] == row[8] == f"{-float(row[4]) / math.log(2) / 2:.4f}"  # bits per byte, per character
    assert "no verdict, since the records are empty" in here("score", "-m", "m", "-m", "m", "", "").err
