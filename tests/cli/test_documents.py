"""Records as documents through the commands: what a line feed inside a record is, and a written `<unk>`."""

import json

import pytest

from seqcli.commands import tokenize_modes
from seqcli.interfaces import SILENT
from seqcli.tasks.language.data import Corpus, TokenizerChoice, read
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
    done = here("score", "--unit", "document", "-m", models("document"), "-i", "empty.txt", "-i", "1.txt", "-i", "empty.txt")
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
    for name, given in (("words", "a\nb"), ("sentencepiece", "the\ncat"), ("document", "the cat\n\nzz"), ("characters", "a\nb")):
        ids = here("tokenize", given, "-m", models(name), "--ids").rows[0][0].split()
        pieces = json.loads(here("tokenize", given, "-m", models(name), "--offsets").out)["pieces"]
        assert [str(piece["id"]) for piece in pieces] == ids
        assert here("tokenize", given, "-m", models(name), "--count").rows == [[str(len(ids))]]
        back = here("tokenize", "-m", models(name), "--ids", "--decode", stdin=" ".join(ids).encode() + b"\n").out
        if name == "document":
            assert back == "the cat\\n\\n<unk>\n" and ids.count("2") == 2


@pytest.mark.parametrize("more", [[], ["--json"], ["--ids"], ["--json", "--ids"], ["--offsets"]])
def test_a_long_record_is_written_bit_by_bit(here, models, monkeypatch, more):
    whole = here("tokenize", "the cat " * 9, "나는", "-m", models("sentencepiece"), *more)
    monkeypatch.setattr(tokenize_modes, "_LONG", 1)
    monkeypatch.setattr(tokenize_modes, "_AT_ONCE", 4)
    assert here("tokenize", "the cat " * 9, "나는", "-m", models("sentencepiece"), *more) == whole and whole.code == 0


def test_a_written_unk_is_an_unknown_word(here, model, models):
    text, zz = "the <unk> cat", "the zz cat"
    for mode in ([], ["--level", "token"], ["--level", "word"], ["--level", "corpus"], ["--context", "<unk> saw"]):
        one, other = here("score", text, "-m", model, *mode), here("score", zz, "-m", model, *mode)
        column = {"corpus": 4, "token": 3, "word": 3}.get(mode[1] if "--level" in mode else "", 0)  # log_prob
        assert [row[column] for row in one.rows] == [row[column] for row in other.rows]
        assert "1 <unk> written in the text" in one.err and "written" not in other.err
    assert here("generate", "the <unk>", "-m", model, "--next", "3").out == here("generate", "the zz", "-m", model, "--next", "3").out
    assert "written" not in here("score", text, "-m", models("characters")).err


def test_context_is_text_and_its_file_another_option(here, model, tmp_path):
    (tmp_path / "the").write_text("zzz\n")
    as_text = here("score", "cat", "-m", model, "--context", "the").rows
    assert as_text == here("score", "cat", "-m", model, "--context", "the ").rows
    assert as_text != here("score", "cat", "-m", model, "--context-file", "the").rows
    done = here("score", "cat", "-m", model, "--context", "a", "--context-file", "the")
    assert done.code == 2 and "--context does not go with --context-file" in done.err
