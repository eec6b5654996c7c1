"""`seqcli tokenize` as a script sees it: rows, streams, exit codes."""

import json
from pathlib import Path

import pytest

from seqcli import catalog, tokenizers
from seqcli.commands.tokenize.rows import escaped, unescaped
from seqcli.text import nfc

TEXT = nfc("나는 기계 학습을 공부한다 .\nI study machine learning , e\u0301t\u00e9 !\n" * 20).encode()
RECORDS = ["I study\\t  learning", "", "  \ta\x1b[1m▁ 😀\0 ", "e\u0301t\u00e9 학습 <s> \\x20 \\", "\\\\n"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder of tokenizers: words, characters, bytes, sentencepiece, bpe."""
    folder = tmp_path_factory.mktemp("tokenizers")
    for name in (*catalog.trained_tokenizers(), "bpe"):
        settings = {"algorithm": "bpe"} if name == "bpe" else {}
        kind = catalog.load("tokenizers", "sentencepiece" if name == "bpe" else name)
        (folder / name).mkdir()
        tokenizers.save(kind.train([TEXT], vocab_size=350, **settings)[0], folder / name)
    return folder


@pytest.fixture
def tokenize(folder, here, monkeypatch):
    """`tokenize("-m", "words", "a text")` in that folder: standard output; of a failure, standard error."""
    monkeypatch.chdir(folder)

    def run(*arguments: str, text: str = "", code: int = 0) -> str:
        done = here("tokenize", *arguments, stdin=text.encode())
        assert done.code == code, done.err
        return done.err if code else done.out

    return run


@pytest.mark.parametrize("name", ["characters", "bytes", "sentencepiece", "bpe"])
@pytest.mark.parametrize("form", [[], ["--ids"]])
def test_tokenized_and_decoded_is_the_text(tokenize, name, form):
    records = [r for r in RECORDS if name != "characters"] or ["I study  learning", "", " , !\t 나는\\ \\x20 ▁"]
    if name == "characters" and form:
        records = ["I study  learning", "", " , !"]
    text = "".join(record + "\n" for record in records)
    pieces = tokenize("-m", name, *form, text=text)
    assert pieces.count("\n") == len(records)
    assert tokenize("-m", name, "--decode", *form, text=pieces) == nfc(text)


def test_pieces_of_any_text_survive_escaping():
    for piece in (*RECORDS, "\\x20", "\\t", "\u2028", "\x85"):
        assert unescaped(escaped(piece)) == piece and " " not in escaped(piece) and "\n" not in escaped(piece)


def test_the_forms_of_a_row(tokenize):
    text = "I e\u0301t\u00e9 zzz"
    assert tokenize("-m", "words", text) == "I e\u0301t\u00e9 zzz\n".replace("e\u0301", "é")
    ids = json.loads(tokenize("-m", "words", "--ids", "--json", text))
    assert ids == {"line": 1, "text": text, "ids": [ids["ids"][0], ids["ids"][1], 0]}
    assert tokenize("-m", "words", "--count", text, "") == "3\n0\n"
    offsets = json.loads(tokenize("-m", "words", "--offsets", text))
    assert [(p["piece"], p["id"], text[p["start"] : p["end"]]) for p in offsets["pieces"]] == [
        ("I", ids["ids"][0], "I"), ("été", ids["ids"][1], "e\u0301t\u00e9"), ("zzz", 0, "zzz"),
    ]  # fmt: skip
    vocabulary = tokenize("-m", "words", "--vocab", "--header").split("\n")
    assert vocabulary[:4] == ["id\tpiece", "0\t<unk>", "1\t<s>", "2\t</s>"]


def test_other_segmentations(tokenize):
    rows = tokenize("-m", "sentencepiece/tokenizer.model", "--n-best", "2", *["I study machines"] * 2).split("\n")
    assert [row.split("\t")[:2] for row in rows[:-1]] == [[line, rank] for line in "12" for rank in "12"]
    drawn = tokenize("-m", "sentencepiece", "--sample", "0.1", "--seed", "7", *["I study machines"] * 9)
    assert len(set(drawn.split("\n")[:-1])) > 1
    assert drawn == tokenize("-m", "sentencepiece", "--sample", "0.1", "--seed", "7", *["I study machines"] * 9)
    assert "no alternative segmentations" in tokenize("-m", "bpe", "--n-best", "3", "I", code=2)


def test_statistics_stand_side_by_side(tokenize):
    models = ("words", "bytes", "bpe", "words")
    asked = [part for model in models for part in ("-m", model)]
    rows = [json.loads(row) for row in tokenize(*asked, "--stats", "--json", text="I zzz\n\nI\n").split("\n")[:-1]]
    assert [row["model"] for row in rows] == ["words", "bytes", "bpe", "words#2"]
    assert {key: rows[0][key] for key in rows[0] if key not in ("model", "vocab_size")} == {
        "records": 3, "tokens": 3, "bytes_per_token": 2.0, "tokens_per_word": 1.0, "unknown_rate": 1 / 3,
        "round_trip_failures": 1,
    }  # fmt: skip
    assert rows[1]["bytes_per_token"] == 1 and rows[1]["round_trip_failures"] == rows[2]["round_trip_failures"] == 0


def test_kept_columns_pass_through(folder, tokenize):
    (folder / "rows.tsv").write_text("text\tid\nI study\t7\n\t8\n")
    assert tokenize("-m", "words", "-i", "rows.tsv", "--keep", "id") == "7\tI study\n8\t\n"


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["-m", "nowhere", "a"], 4, "nowhere: no such model"),
        (["-m", "junk.model", "a"], 4, "junk.model"),
        (["-m", "bytes", "-m", "words", "a"], 2, "--stats"),
        (["-m", "bytes", "--count", "--ids", "a"], 2, "--ids cannot be combined with --count"),
        (["-m", "bytes", "--vocab", "--stats"], 2, "cannot be combined with"),
        (["-m", "bytes", "--decode", "--ids", "5 259"], 3, "record 1: not a token id: '259'; ids are 0 to 258"),
        (["-m", "bytes", "--n-best", "0", "a"], 2, "--n-best"),
        (["-m", "bytes", "--sample", "inf", "a"], 2, "--sample"),
    ],
)
def test_errors_are_one_line(folder, tokenize, arguments, code, says):
    (folder / "junk.model").write_bytes(b"\x80\x04N.")
    error = tokenize(*arguments, code=code)
    assert error.startswith("seqcli tokenize: error: ") and error.count("\n") == 1 and says in error
