"""report/output: files in the format of their suffix, as csv, pandas and pyarrow read them."""

import bz2
import csv
import gzip
import io
import json
import lzma

import numpy as np
import pandas
import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from seqcli.errors import OutputError, UsageError
from seqcli.report import frame, parquet
from seqcli.report.frame import WHOLE, Column, JsonArray, kept_columns
from seqcli.report.output import Output, format_of

CELLS = st.text(st.sampled_from(' ,"\r\n\t\0\\;ab한') | st.characters(codec="utf-8"), max_size=8)
UNPACK = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: pyarrow.input_stream(pyarrow.BufferReader(data), compression="zstd").read(),
}


def written(path, columns: list[Column], *, parts: int = 1, **options):
    with Output(str(path), **options) as out:
        out.begin([Column(column.name, (), column.format) for column in columns])
        for part in range(parts):
            out.rows([Column(c.name, c.values[part::parts], c.format) for c in columns])
    return path


@given(st.lists(st.tuples(CELLS, CELLS)), CELLS.filter(bool))
@example([("", ""), ('"', "\r"), ("a\r\nb", " ,")], "a")
def test_csv_is_read_back_by_the_csv_module(rows, name):
    columns = [Column(name, [row[0] for row in rows]), Column("b", [row[1] for row in rows])]
    text = frame.csv_header([column.name for column in columns]) + frame.csv(columns)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [[name, "b"], *map(list, rows)]


@given(st.lists(CELLS.filter(lambda cell: "\0" not in cell), min_size=1))
@example(["", "a", ""])
def test_csv_of_one_column_is_read_back_by_pandas(cells):
    """Which skips blank lines: an empty cell is not one."""
    text = "a\n" + frame.csv([Column("a", cells)])
    read = pandas.read_csv(io.StringIO(text, newline=""), keep_default_na=False, dtype=str)
    assert read["a"].tolist() == cells


def test_numbers_keep_their_format_in_csv_and_their_digits_in_parquet(tmp_path):
    columns = [
        Column("n", [1, None, 3], WHOLE), Column("x", np.array([1 / 3, np.nan, -np.inf]), "%.2f"), Column("t", ["a", "", "c"]),
    ]  # fmt: skip
    assert written(tmp_path / "a.csv", columns).read_text() == "n,x,t\n1,0.33,a\n,,\n3,-inf,c\n"
    table = pq.read_table(written(tmp_path / "a.parquet", columns))
    assert table.schema.types == [pyarrow.int64(), pyarrow.float64(), pyarrow.string()]
    assert table.to_pydict() == {"n": [1, None, 3], "x": [1 / 3, None, -np.inf], "t": ["a", "", "c"]}


def test_parquet_is_written_in_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_ROWS", 10)
    values = list(range(45))
    path = written(tmp_path / "a.parquet", [Column("n", values, WHOLE), Column("t", list(map(str, values)))], parts=9)
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [10, 10, 10, 10, 5]
    assert sorted(file.read()["n"].to_pylist()) == values


def test_no_rows_are_an_empty_table(tmp_path):
    columns = [Column("n", [], WHOLE), Column("x", [], "%.2f")]
    assert pandas.read_parquet(written(tmp_path / "a.parquet", columns)).dtypes.tolist() == ["int64", "float64"]
    assert pandas.read_csv(written(tmp_path / "a.csv", columns)).columns.tolist() == ["n", "x"]
    assert json.loads(written(tmp_path / "a.json", columns).read_text()) == []


@given(st.lists(st.dictionaries(CELLS, CELLS)), st.data())
def test_json_lines_in_any_parts_are_an_array(rows, data):
    lines, array, text = "".join(map(frame.json_line, rows)), JsonArray(), ""
    while lines:
        cut = data.draw(st.integers(0, len(lines)))
        text, lines = text + array.elements(lines[:cut]), lines[cut:]
        if not cut:
            text, lines = text + array.elements(lines), ""
    assert json.loads(text + array.end) == rows


@pytest.mark.parametrize("suffix", UNPACK)
@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.json", "a"])
def test_compressed_files_hold_the_same(tmp_path, name, suffix):
    columns = [Column("t", ["a b", "", 'c"'] * 50)]
    plain, packed = written(tmp_path / name, columns), written(tmp_path / (name + suffix), columns)
    assert UNPACK[suffix](packed.read_bytes()) == plain.read_bytes()


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.json", "a.tsv.gz", "a.jsonl.zst"])
def test_a_full_disk_is_an_error_and_a_failure_leaves_nothing(tmp_path, name):
    columns = [Column("t", ["a"] * 10)]
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        written(tmp_path / name, columns)
    (tmp_path / name).unlink()
    with pytest.raises(RuntimeError), Output(str(tmp_path / name)) as out:
        out.begin(["t"])
        out.rows(columns)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_suffix_names_the_format():
    names = {"a": "tsv", "a.txt": "tsv", "A.CSV": "csv", "a.csv.gz": "csv", "a.ndjson": "json", "a.parquet": "parquet"}
    assert {name: format_of(name) for name in names} == names and format_of(None) == format_of("-") == "tsv"
    assert format_of("a.json", json="--json") == format_of("a.txt", json="--json") == "json"


@pytest.mark.parametrize(
    "name, json, cure",
    [
        ("a.csv", "--json", "name it .jsonl"), ("a.tsv.gz", "--json", "name it .jsonl"), ("a.parquet", "--offsets", ".jsonl"),
        ("a.xlsx", None, "name it .csv"), ("a.ODS", None, "name it .csv"), ("a.parquet.gz", None, "name it a.parquet"),
    ],
)  # fmt: skip
def test_formats_that_are_not_written(name, json, cure):
    with pytest.raises(UsageError, match=cure):
        format_of(name, json=json)


def test_a_kept_column_is_renamed_if_its_name_is_taken():
    kept = kept_columns(["id", "text"], [("1", "a"), ("2", "b")], beside=["text"])
    assert [(column.name, column.values) for column in kept] == [("id", ["1", "2"]), ("kept_text", ["a", "b"])]
