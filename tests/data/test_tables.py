"""data/tables: rows of .tsv, .csv, .jsonl and .parquet, cell by cell, and what is no table."""

import csv
import gzip
import io
import json
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqcli.data import lines
from seqcli.data.records import is_table, kind_of, read_blocks, read_rows
from seqcli.errors import InputError, UsageError


@pytest.fixture
def write(tmp_path):
    def written(name: str, data: bytes | str) -> str:
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return str(tmp_path / name)

    return written


def cells(path: str, *columns: str | None, **reading) -> list[tuple[str, ...]]:
    rows = list(read_rows(path, columns, **reading))
    first = 1
    for part in rows:  # numbered without a gap
        assert part.first == first
        first += len(part.cells)
    return [row for part in rows for row in part.cells]


def test_tables_are_known_by_their_names():
    names = ["a.tsv", "a.csv.gz", "b/a.JSONL", "a.parquet", "a.b.tsv"]
    assert [kind_of(name) for name in names] == ["tsv", "csv", "jsonl", "parquet", "tsv"]
    names = ["a.ndjson", "a.JSON", "a.csv.bz2", "a.tsv.XZ", "a.jsonl.zst"]
    assert [kind_of(name) for name in names] == ["jsonl", "json", "csv", "tsv", "jsonl"]
    assert not any(map(is_table, ["a.txt", "tsv", "-", "a.tsv.txt", "a.gz", ".tsv"]))
    assert kind_of("-", "csv") == "csv" and kind_of("a.csv", "lines") is None


# --- TSV --------------------------------------------------------------------------------------------------------------


def test_tsv_is_raw(write):
    path = write("a.tsv", '\ufeffid\ttext\tid\n1\t"a\t"b"\r\n 2 \t\\t""\t\x85\n')
    assert cells(path, "text", "#1") == [('"a', "1"), ('\\t""', " 2 ")]  # a name: there is a header
    assert cells(path, "#3", "#1") == [("id", "id"), ('"b"', "1"), ("\x85", " 2 ")]
    with pytest.raises(UsageError, match="2 columns are called 'id'"):
        cells(path, "text", "id")


@pytest.mark.parametrize("kind, between", [("tsv", "\t"), ("csv", ",")])
@pytest.mark.parametrize("row", ["2", "2 b c", "2 b c d"])
def test_a_row_of_another_number_of_fields_is_named(write, kind, between, row):
    """Whether it has a header or not, and also where it is in the last block."""
    path = write(
        f"a.{kind}", "id text\n1 a\n".replace(" ", between) * 3 + row.replace(" ", between) + "\n3" + between + "c\n"
    )
    for columns in (("text",), ("#1", "#2")):
        with pytest.raises(InputError, match=r"line 7" if kind == "tsv" else "Row #7"):
            cells(path, *columns)


def test_a_blank_line_of_a_tsv_is_a_row_of_empty_cells(write):
    path = write("a.tsv", "id\ttext\n1\ta\n\n2\tb\n")
    assert cells(path, "text", "id") == [("a", "1"), ("", ""), ("b", "2")]


BLANK_END = {
    "a.tsv": "text\tn\na\t1\n\n\t\n", "a.csv": "text,n\na,1\n\n,\n", "b.csv": "text;n\r\na;1\r\n\r\n;\r\n",
    "a.jsonl": '{"text": "a", "n": 1}\n\n{"text": null, "n": null}\n',
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
@pytest.mark.parametrize("end", ["", "\n", "\r\n \n\n", "  "])
@pytest.mark.parametrize("name", BLANK_END)
def test_blank_lines_at_the_end_are_not_rows_and_empty_cells_are(write, monkeypatch, name, end, size):
    monkeypatch.setattr(lines.read_blocks, "__kwdefaults__", {**lines.read_blocks.__kwdefaults__, "size": size})
    left_out: list[int] = []
    rows = read_rows(write(name, BLANK_END[name] + end), ["text", "n"], blank_end=left_out.append)
    assert [row for part in rows for row in part.cells] == [("a", "1"), ("", ""), ("", "")]
    assert sum(left_out) == end.count("\n") + (not end.endswith("\n") and end != "")


@pytest.mark.parametrize(
    "name, text", [("a.csv", "\n \n"), ("a.tsv", " \n\n"), ("a.jsonl", "\n\n"), ("a.json", "[]\n\n\n")]
)
def test_a_table_of_blank_lines_has_no_rows(write, name, text):
    assert cells(write(name, text), "text") == []


@pytest.mark.parametrize("mark", list(",;\t|"))
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_csv_of_other_separators_is_known_by_its_header(write, tmp_path, mark, quoting):
    rows = [["id", "text", "note"], ["1", 'a "b", c;d', ""], ["2", "e\nf|g\th", "x"]]
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file, delimiter=mark, quoting=quoting).writerows(rows)
    assert cells(str(tmp_path / "a.csv"), "text", "id", "note") == [(row[1], row[0], row[2]) for row in rows[1:]]
    assert cells(str(tmp_path / "a.csv"), "#2", "#3")[1:] == [(row[1], row[2]) for row in rows[1:]]


def test_csv_of_one_column_is_not_split(write):
    path = write("a.csv", "a;b\nc;d\n")
    assert cells(path, "#1") == [("a;b",), ("c;d",)]
    assert cells(write("b.csv", "text\na;b\n"), None) == [("a;b",)]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
def test_case_and_blanks_of_a_column_do_not_matter_where_one_can_be_meant(write, name):
    def written(*names):
        if name == "a.jsonl":
            return write(name, json.dumps(dict(zip(names, "xyz"))) + "\n")
        mark = "," if name == "a.csv" else "\t"
        return write(name, mark.join(names) + "\n" + mark.join("xyz"[: len(names)]) + "\n")

    assert cells(written(" Text ", "ID"), None, "id ") == [("x", "y")]
    assert cells(written("Text", "sentence"), None) == [("y",)]  # as it is usually spelled
    assert cells(written("Text", "text", "TEXT"), "TEXT", "Text", None) == [("z", "x", "y")]
    nfd = "내용".encode().decode()
    assert cells(written(unicodedata.normalize("NFD", nfd)), nfd) == [("x",)]
    with pytest.raises((UsageError, InputError), match="TexT"):
        cells(written("Text", "text"), "TexT")


@pytest.mark.parametrize("name", ["a.xlsx", "a.XLS", "a.ods", "a.xlsx.gz"])
def test_a_spreadsheet_is_refused_with_the_cure(write, name):
    with pytest.raises(InputError, match=r"save the sheet as \.csv"):
        cells(write(name, b"PK\x03\x04"), None)


def test_a_spreadsheet_of_another_name_is_recognised(write):
    for inner in (b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"):
        with pytest.raises(InputError, match=r"save it as \.csv"):
            cells(write("a.csv", b"PK\x03\x04\x14\0\0\0\0\0" + inner), None)


def test_tsv_of_many_blocks(write, monkeypatch):
    monkeypatch.setattr(lines.read_blocks, "__kwdefaults__", {**lines.read_blocks.__kwdefaults__, "size": 7})
    rows = [(str(number), f"t{number}" * (number % 5)) for number in range(100)]
    path = write("a.tsv", "id\ttext\n" + "".join("\t".join(row) + "\n" for row in rows))
    assert cells(path, "id", "text") == rows


# --- CSV: RFC 4180 ----------------------------------------------------------------------------------------------------

pyarrow = pytest.importorskip("pyarrow")
CELLS = st.text(st.sampled_from(" ,\"\n'\\\t;a한\x85\u2028") | st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_csv_is_read_as_it_was_written(tmp_path_factory, rows, end, quoted):
    assume(not any("\r" in cell for row in rows for cell in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(("text", "note"))
    writer.writerows(rows)
    path = tmp_path_factory.getbasetemp() / "hypothesis.csv"
    path.write_bytes(text.getvalue().encode())
    assert cells(str(path), "text", "note") == rows
    assert cells(str(path), "#1", "#2") == [("text", "note"), *rows]


def test_csv_by_the_letter(write):
    path = write("a.csv", '\ufeffid,text\r\n007,"a ""b"", c\r\nd"\r\n,NULL\r\n1e3,\r\n')
    assert cells(path, "id", "text") == [("007", 'a "b", c\nd'), ("", "NULL"), ("1e3", "")]
    assert cells(write("b.csv", "text\n\n\nx\n"), None) == [("",), ("",), ("x",)]  # blank lines are records
    assert cells(write("c.csv.gz", gzip.compress(b"text\na\n")), None) == [("a",)]
    assert cells(write("d.csv", "text"), None) == [] == cells(write("e.csv", ""), None)


def test_csv_that_is_none(write):
    with pytest.raises(InputError, match=r"a\.csv: not CSV.*"):
        cells(write("a.csv", "id,text\n1,2,3\n"), None)
    with pytest.raises(InputError, match=r"b\.csv: .*a quote is not closed"):
        cells(write("b.csv", 'id,text\n1,"a\n2,b\n3,c\n'), None)
    assert cells(write("c.csv", 'text\n5" disk\n'), None) == [('5" disk',)]  # a sign, not a quote
    assert cells(write("d.csv", 'text\n"a\n"\n'), None) == [("a\n",)]
    with pytest.raises(InputError, match="looks like a PNG"):
        cells(write("e.csv", b"\x89PNG\r\n\x1a\n"), None)


def test_csv_of_other_encodings_and_of_none(write):
    text = 'text,id\n"나는 기계 학습을",1\n안녕,2\n'
    rows = [("나는 기계 학습을",), ("안녕",)]
    assert cells(write("a.csv", text.encode("cp949")), None, encoding="cp949") == rows
    assert cells(write("b.csv", text.encode("utf-16")), None, encoding="utf-16") == rows
    with pytest.raises(InputError, match="--encoding cp949"):
        cells(write("a.csv", text.encode("cp949")), None)
    with pytest.raises(UsageError, match="utf-9"):
        cells(write("a.csv", text), None, encoding="utf-9")
    broken = write("c.csv", b"text\na\xffb\nc\n")
    assert (
        cells(broken, None) == [("a\ufffdb",), ("c",)] and sum(part.replaced for part in read_rows(broken, [None])) == 1
    )
    with pytest.raises(InputError, match="line 2, byte 2"):
        cells(broken, None, strict=True)


def test_csv_of_many_blocks(write):
    rows = [(str(number), f'"{number}",\n' * (number % 4)) for number in range(9000)]
    text = io.StringIO()
    csv.writer(text).writerows([("id", "text"), *rows])
    assert cells(write("a.csv", text.getvalue()), "id", "text") == rows


# --- JSON Lines and Parquet -------------------------------------------------------------------------------------------


def test_jsonl_cells_are_text_of_any_type(write):
    rows = [
        {"text": "a\nb\t", "n": 7},
        {"text": "한", "n": 1.5},
        {"n": None, "text": True},
        {"text": None, "n": "é", "o": [1]},
    ]
    path = write(
        "a.jsonl", "".join(json.dumps(row, ensure_ascii=number % 2 == 0) + "\n" for number, row in enumerate(rows))
    )
    assert cells(path, None, "n") == [("a\nb\t", "7"), ("한", "1.5"), ("true", ""), ("", "é")]


def test_half_a_character_in_jsonl_is_malformed_text(write):
    path = write("a.jsonl", '{"text": "한"}\n{"text": "\\ud800x\\udced\\udc95\\udc9c \\ud83d\\ude00"}\n')
    (rows,) = read_rows(path, ["text"])
    assert rows.cells == [("한",), ("\ufffdx\ufffd\ufffd\ufffd 😀",)] and rows.replaced == 4
    with pytest.raises(InputError, match=r"line 2: .*half a character"):
        cells(path, "text", strict=True)


JSONL = {
    "not JSON": ('{"text": "a"}\n{"text"\n', InputError, "line 2: not JSON "),
    "not an object": ("[1]\n", InputError, "line 1: not a JSON object"),
    "no such field": (
        '{"text": "a", "id": 1}\n{"txet": "b", "id": 2}\n',
        InputError,
        "line 2: no field 'text'; did you mean 'txet'",
    ),
    "a list": ('{"text": "a"}\n{"text": ["b"]}\n', InputError, "line 2: 'text' is a list, not text; convert"),
    "an object": (
        '{"text": {"en": "a", "x": {"y": 1}}}\n',
        InputError,
        "line 1: .* an object.*; choose one of its fields: text.en, text.x.y",
    ),
    "deep": ("[" * 100_000 + "\n", InputError, "not JSON"),
}


@pytest.mark.parametrize("text, kind, message", JSONL.values(), ids=JSONL)
def test_jsonl_that_is_none(write, text, kind, message):
    with pytest.raises(kind, match=message):
        cells(write("a.jsonl", text), "text")


def test_parquet(write, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"id": [1, 2, None], "text": ["a\n", None, "한"], "raw": [b"x", b"\xff", None]})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    assert cells(str(tmp_path / "a.parquet"), None, "id", "raw") == [
        ("a\n", "1", "x"),
        ("", "2", "\ufffd"),
        ("한", "", ""),
    ]
    assert cells(str(tmp_path / "a.parquet"), "#2") == [("a\n",), ("",), ("한",)]
    with pytest.raises(InputError, match="not Parquet"):
        cells(write("b.parquet", b"text\na\n"), None)
    with pytest.raises(InputError, match="decompress it first"):
        cells(write("c.parquet.gz", b""), None)


# --- columns ----------------------------------------------------------------------------------------------------------


def test_the_text_column_is_found_or_asked_for(write):
    for name in ("text", "sentence", "document", "review"):
        assert cells(write("a.tsv", f"label\t{name}\nx\ty\n"), None) == [("y",)]
    for name in ("a.tsv", "a.csv"):
        path = write(name, "a,b\n1,2\n".replace(",", "\t" if name == "a.tsv" else ","))
        with pytest.raises(UsageError, match=r"no text column chosen; use --text-column with one of a, b or #N"):
            cells(path, None)
    with pytest.raises(UsageError, match="no text field chosen"):
        cells(write("a.jsonl", '{"a": "b"}\n'), None)


@pytest.mark.parametrize("name, data", [("a.tsv", "id\ttext\n1\ta\n"), ("a.csv", "id,text\n1,a\n")])
def test_columns_that_are_not_there(write, name, data):
    path = write(name, data)
    with pytest.raises(UsageError, match=r"no column 'txt'.*did you mean 'text'"):
        cells(path, "txt")
    with pytest.raises((UsageError, InputError), match=r"no column #3; the table has 2"):
        cells(path, "#3")
    for column in ("#0", "#-1", "#x", "#"):
        with pytest.raises(UsageError):
            cells(path, "text", column)


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet"])
def test_an_error_names_only_some_of_very_many_columns(tmp_path, kind):
    names = [f"column number {number}" for number in range(5000)] + ["n" * 5000]
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table({name: ["x"] for name in names}), path)
    elif kind == "jsonl":
        path.write_text(json.dumps(dict.fromkeys(names, "x")) + "\n")
    else:
        path.write_text((",\t"[kind == "tsv"].join(names) + "\n") * 2)
    for column in (None, "xyz"):
        with pytest.raises((UsageError, InputError)) as refusal:
            cells(str(path), column)
        assert "... (5,001 in all)" in str(refusal.value) and len(str(refusal.value)) < 700


def test_only_what_is_asked_for_is_read_of_wide_tables(tmp_path, monkeypatch):
    """The columns come out right however they are asked for, names that stand twice included."""
    parquet = pytest.importorskip("pyarrow.parquet")
    row = {"a": "1", "text": "2", "b.c": "3", "b": "4", "z": "5"}
    parquet.write_table(pyarrow.table({name: [value] for name, value in row.items()}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    (tmp_path / "twice.csv").write_text("text,a,text\n1,2,3\n")
    for path in (str(tmp_path / "a.parquet"), str(tmp_path / "a.csv")):
        assert cells(path, "z", None, "text", "#2", "b", "b.c", "#1") == [("5", "2", "2", "2", "4", "3", "1")]
    twice = str(tmp_path / "twice.csv")
    assert cells(twice, "#1", "#3", "a") == [("1", "3", "2")]
    assert cells(twice, "#3", "#2") == [("text", "a"), ("3", "2")]


def test_missing_files_are_bad_input(tmp_path):
    for name in ("a.tsv", "a.csv", "a.jsonl", "a.parquet"):
        with pytest.raises(InputError, match="no such file"):
            cells(str(tmp_path / name), None)


def test_blocks_keep_columns_beside_the_records(write):
    path = write("a.jsonl", '{"text": "a\\nb", "id": 1}\n{"text": "c", "id": "x"}\n')
    (block,) = read_blocks(path, keep=["id"])
    assert block.records() == ["a\nb", "c"] and block.kept == (("1",), ("x",)) and block.first == 1
    assert block.data == b"a b\nc\n"
