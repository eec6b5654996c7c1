"""N records in are N rows out, in order, whatever the records hold; and columns of every kind of table."""

import codecs
import gzip
import json

import pytest

from seqcli.text import tsv_field

TEXTS = {
    "empty file": (b"", []),
    "one blank line": (b"\n", [""]),
    "blank and space-only lines": (b"\n \n\t\n\nthe cat\n\n", ["", " ", "\t", "", "the cat", ""]),
    "no final newline": (b"the cat\nb", ["the cat", "b"]),
    "CRLF": (b"the cat\r\n\r\nb\r\n", ["the cat", "", "b"]),
    "lone CR, VT, FF, separators": (b"a\rb\n\rc\vd\fe\x1cf\x1dg\x1eh\n", ["a\rb", "\rc\vd\fe\x1cf\x1dg\x1eh"]),
    "NEL and U+2028": ("a\x85b\u2028c\u2029d\nx\n".encode(), ["a\x85b\u2028c\u2029d", "x"]),
    "NUL": (b"a\0b\n\0\n", ["a\0b", "\0"]),
    "quotes": (b'"a\nb"\n"\n', ['"a', 'b"', '"']),
    "tabs and backslashes": (b"a\tb\\tc\n\\\n", ["a\tb\\tc", "\\"]),
    "BOM": (codecs.BOM_UTF8 + b"a\n" + codecs.BOM_UTF8 + b"b\n", ["a", "\ufeffb"]),
    "NFC and NFD Korean": ("한\n한\n".encode(), ["한", "한"]),
    "emoji, right to left, bidi": ("👩‍👩‍👧 שלום\u202e\n🏳️‍🌈\n".encode(), ["👩‍👩‍👧 שלום\u202e", "🏳️‍🌈"]),
    "malformed UTF-8": (b"a\xed\xa0\x80b\n\xc0\xaf\na\xff\n\xe2\x80\nok\n",
                        ["a\ufffd\ufffd\ufffdb", "\ufffd\ufffd", "a\ufffd", "\ufffd", "ok"]),
    "specials": (b"<s> a </s> <unk>\n</s>\n", ["<s> a </s> <unk>", "</s>"]),
    "escape sequences": (b"\x1b[31mred\x07\n", ["\x1b[31mred\x07"]),
    "a megabyte in a line": (b"a " * (1 << 19) + b"\nb\n", ["a " * (1 << 19), "b"]),
    "a hundred thousand tokens": (b"cat " * 100_000 + b"\nb\n", ["cat " * 100_000, "b"]),
    "a million carets": (b"^" * 10**6 + b"\nb\n", ["^" * 10**6, "b"]),
}  # fmt: skip


SLOW = [pytest.mark.slow]
KINDS = ("words", "characters", "sentencepiece", "bytes")
CASES = [
    pytest.param(kind, *text, id=f"{name}, {kind}", marks=SLOW if len(text[0]) > 1000 and kind != "words" else [])
    for name, text in TEXTS.items()
    for kind in KINDS
]


@pytest.mark.parametrize("kind, data, records", CASES)
def test_every_record_is_a_row(here, models, data, records, kind):
    done = here("score", "-m", models(kind), stdin=data)
    assert done.code == 0
    assert [row[5:] for row in done.rows] == [[tsv_field(record)] for record in records]
    assert all(float(row[0]) < 0 and int(row[3]) >= 1 for row in done.rows)
    tokenized = here("tokenize", "-m", models(kind), stdin=data)
    assert tokenized.code == 0 and tokenized.out.count("\n") == len(records)
    in_json = here("score", "-m", models(kind), "--json", stdin=data)
    assert [json.loads(line)["text"] for line in in_json.out.split("\n")[:-1]] == records
    assert [json.loads(line)["line"] for line in in_json.out.split("\n")[:-1]] == list(range(1, len(records) + 1))


def test_replaced_bytes_are_counted(here, model, tmp_path):
    done = here("score", "-m", model, stdin=b"a\xff\nb\xc0\xaf\n")
    assert "3 malformed UTF-8 sequences replaced by U+FFFD: standard input" in done.err
    (tmp_path / "a.csv").write_bytes(b"text\na\xff\n")
    (tmp_path / "a.tsv").write_bytes(b"text\na\xff\n")
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a\xff"}\n')
    for name in ("a.csv", "a.tsv", "a.jsonl"):
        done = here("score", "-m", model, "-i", name)
        assert done.rows[0][-1] == "a\ufffd" and f"1 malformed UTF-8 sequence replaced by U+FFFD: {name}" in done.err
        assert here("score", "-m", model, "-i", name, "--strict").code == 3
    done = here("train", "lm", "a.csv", "a.tsv", "-o", "new")
    assert done.code == 0 and "U+FFFD: a.csv" in done.err and "U+FFFD: a.tsv" in done.err


def test_order_is_kept_over_blocks_and_processes(here, model):
    lines = [f"the cat {number}" for number in range(120_000)]
    done = here("score", "-m", model, "-q", stdin="".join(line + "\n" for line in lines).encode())
    assert [row[-1] for row in done.rows] == lines


def test_texts_as_arguments_are_records(here, model):
    done = here("score", "the cat", "", "a\nb", "the cat", "-m", model)
    assert [row[-1] for row in done.rows] == ["the cat", "", "a\\nb", "the cat"]
    assert done.rows[0] == done.rows[3]


def test_gzip_and_other_encodings(here, model, tmp_path):
    text = "나는 기계 학습을 공부한다\nthe cat\n"
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.cp949").write_bytes(text.encode("cp949"))
    (tmp_path / "a.utf16").write_bytes(text.encode("utf-16"))
    plain = here("score", "-m", model, stdin=text.encode()).out
    assert plain.count("\n") == 2
    assert here("score", "-m", model, "-i", "a.txt.gz").out == plain
    assert here("score", "-m", model, "-i", "a.cp949", "--encoding", "cp949").out == plain
    assert here("score", "-m", model, "-i", "a.utf16", "--encoding", "utf-16").out == plain


# --- tables -----------------------------------------------------------------------------------------------------------

ROWS = [("1", "the cat", "a b"), ("007", "나는 기계 학습을", ""), ("3", 'say "no"', "x,y")]


def write_table(kind: str, path) -> str:
    names = ("id", "text", "note")
    if kind == "tsv":
        path.write_text("".join("\t".join(row) + "\n" for row in [names, *ROWS]))
    elif kind == "csv":
        quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in [names, *ROWS]]
        path.write_text("".join(",".join(row) + "\r\n" for row in quoted))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row))) + "\n" for row in ROWS))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(names, zip(*ROWS)))), path)
    return path.name


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet"])
def test_columns_pass_through(here, model, tmp_path, kind):
    pytest.importorskip("pyarrow.parquet") if kind == "parquet" else None
    name = write_table(kind, tmp_path / f"a.{kind}")
    plain = here("score", "-m", model, *(text for _, text, _ in ROWS)).rows
    done = here("score", "-m", model, "-i", name, "--header")
    assert done.rows[1:] == plain and done.rows[0][-1] == "text"
    done = here("score", "-m", model, "-i", name, "--header", "--keep", "note", "--keep", "id")
    assert done.rows[0][-3:] == ["note", "id", "text"]
    assert done.rows[1:] == [[*row[:-1], note, id, text] for row, (id, text, note) in zip(plain, ROWS)]
    done = here("score", "-m", model, "-i", name, "--json", "--keep", "id")
    assert [(value["line"], value["id"], value["text"]) for value in map(json.loads, done.out.splitlines())] == [
        (line, id, text) for line, (id, text, _) in enumerate(ROWS, 1)
    ]
    assert [row[-1] for row in here("score", "-m", model, "-i", name, "--text-column", "note").rows] == [
        "a b",
        "",
        "x,y",
    ]
    kept = here("tokenize", "-m", model, "-i", name, "--keep", "id", "--count").rows
    assert kept == [["1", "2"], ["007", "3"], ["3", "2"]]


def test_columns_by_number_have_no_header(here, model, tmp_path):
    write_table("tsv", tmp_path / "a.tsv")
    done = here("score", "-m", model, "-i", "a.tsv", "--text-column", "#2", "--keep", "#1")
    assert [row[-2:] for row in done.rows] == [
        ["id", "text"],
        ["1", "the cat"],
        ["007", "나는 기계 학습을"],
        ["3", 'say "no"'],
    ]


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_a_missing_column(here, model, tmp_path, kind):
    name = write_table(kind, tmp_path / f"a.{kind}")
    done = here("score", "-m", model, "-i", name, "--keep", "nite")
    assert done.code in (2, 3) and done.out == "" and "did you mean 'note'?" in done.err


def test_training_reads_the_same_columns(here, model, tmp_path):
    for kind in ("tsv", "csv", "jsonl"):
        done = here("train", "lm", write_table(kind, tmp_path / f"a.{kind}"), "-o", kind, "--order", "2")
        assert done.code == 0, done.err
    scores = {kind: here("score", "-m", kind, "the cat").out for kind in ("tsv", "csv", "jsonl")}
    assert len(set(scores.values())) == 1
