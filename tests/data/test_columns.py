"""data/columns: a field inside an object is the same cell in every format, and what is no text is refused in every format."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.data import hub, lines
from seqcli.data.columns import MISSING, ColumnSpec, field_names, field_of
from seqcli.data.records import read_rows
from seqcli.errors import InputError, UsageError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def written(folder, rows: list[dict]) -> list[str]:
    """The rows as .jsonl, .json, .parquet and as a data set of the hub's library."""
    text = [json.dumps(row) for row in rows]
    (folder / "a.jsonl").write_text("".join(f"{line}\n" for line in text))
    (folder / "a.json").write_text("\n [" + ",\n".join(text) + "]\n")
    (folder / "indented.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "a.parquet")
    (folder / "set").mkdir(exist_ok=True)
    (folder / "set" / "train.jsonl").write_text("".join(f"{line}\n" for line in text))
    return [str(folder / name) for name in ("a.jsonl", "a.json", "indented.json", "a.parquet")] + [
        f"hf:{folder / 'set'}"
    ]


def cells(path: str, *columns) -> list[tuple[str, ...]]:
    read = hub.read_rows if path.startswith("hf:") else read_rows
    return [row for rows in read(path, columns) for row in rows.cells]


@pytest.fixture
def _offline(monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    hub._opened.cache_clear()


def test_fields_inside_objects(tmp_path, _offline):
    rows = [
        {"id": 1, "translation": {"en": "one", "de": "eins", "more": {"x.y": "z"}}},
        {"id": 2, "translation": {"en": None, "de": "zw\nei", "more": None}},
        {"id": 3, "translation": None},
    ]
    for path in written(tmp_path, rows):
        assert cells(path, "translation.en", "id", "translation.de") == [
            ("one", "1", "eins"),
            ("", "2", "zw\nei"),
            ("", "3", ""),
        ]
        assert cells(path, "translation.more.x.y") == [("z",), ("",), ("",)]
        with pytest.raises(
            InputError, match=r"(line|row) 1: 'translation' is an object.*; .*translation.en, translation.de"
        ):
            cells(path, "translation")
        with pytest.raises((UsageError, InputError), match=r"translation.en"):
            cells(path, "translation.em")
        with pytest.raises(UsageError, match=r"--target-column with one of id, translation.en, translation.de"):
            cells(path, ColumnSpec("target", ("target", "translation")))


def test_nan_is_null(tmp_path, _offline):
    """pandas writes a missing value so."""
    rows = [{"text": "a", "n": 1.0}, {"text": "b", "n": math.nan}]
    for path in written(tmp_path, rows):
        assert cells(path, "text", "n") == [("a", "1.0"), ("b", "")], path


def test_a_name_of_two_columns_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,label,text\na,x,b\n")
    (tmp_path / "a.tsv").write_text("text\tlabel\ttext\na\tx\tb\n")
    parquet.write_table(
        pyarrow.Table.from_arrays([["a"], ["x"], ["b"]], ["text", "label", "text"]), tmp_path / "a.parquet"
    )
    for path in (str(tmp_path / name) for name in ("a.csv", "a.tsv", "a.parquet")):
        for asked in (None, "text"):
            with pytest.raises(UsageError, match=r": 2 columns are called 'text'; rename all but one"):
                cells(path, asked)
        assert cells(path, "label", "#3") == [("x", "b")]


@pytest.mark.parametrize(
    "name, header, cure",
    [
        ("a.tsv", "text;label", "separated by semicolons"), ("a.tsv", "text,label", "separated by commas"),
        ("a.tsv", "text|label", "separated by vertical bars"), ("a.tsv", '"text"\t"label"', "its cells are quoted for another format"),
        ("a.csv", "'text','label'", "its cells are quoted for another format"), ("a.csv", "", "is blank: remove it"), ("a.tsv", "", "is blank: remove it"),
        ("a.tsv", "words\tlabel", "--text-column with one of words, label or #N"),
    ],
)  # fmt: skip
def test_a_header_of_another_format_is_named(tmp_path, name, header, cure):
    (tmp_path / name).write_text(f"{header}\na\n")
    with pytest.raises(UsageError) as error:
        cells(str(tmp_path / name), None)
    assert cure in str(error.value)


@pytest.mark.parametrize("value", [["a", "b"], [], {"a": 1}, [{"a": ["b"]}]])
def test_lists_and_objects_are_no_text_in_any_format(tmp_path, _offline, value):
    for path in written(tmp_path, [{"text": None, "n": 0}, {"text": value, "n": 1}]):
        with pytest.raises(InputError, match=r"(row|line) 2: 'text' is (a list|an object), not text; ") as refusal:
            cells(path, "text")
        assert "[" not in str(refusal.value).replace(path, "")
        assert cells(path, "n") == [("0",), ("1",)]  # nobody asked for it


VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(st.characters(codec="utf-8"), max_size=4)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.fixed_dictionaries({"a": VALUES, "b.c": VALUES}), min_size=1, max_size=8),
    st.sampled_from([None, 1, 2, "\t"]), st.booleans(), st.integers(1, 60),
)  # fmt: skip
def test_an_array_is_read_as_python_reads_it(tmp_path_factory, rows, indent, ascii_only, size):
    """However it is written, and however small the pieces are in which it comes."""
    path = tmp_path_factory.getbasetemp() / "array.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=ascii_only), encoding="utf-8", newline="")

    def text(value: object) -> str:
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines.read_blocks, "__kwdefaults__", {**lines.read_blocks.__kwdefaults__, "size": size})
        assert cells(str(path), "a", "b.c") == [
            (text(row["a"]), text(row["b.c"])) for row in json.loads(path.read_text())
        ]


@pytest.mark.parametrize(
    "text",
    ["[", '[{"a": 1}', '[{"a": 1},', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x', "[1]", '[{"a": }]', "[[[[", '[{"b": 1}]'],
)
def test_an_array_that_is_none_is_bad_input(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError) as refusal:
        cells(str(tmp_path / "a.json"), "a")
    assert "\n" not in str(refusal.value)


NAMES = st.text("ab.", min_size=1, max_size=3)


@given(
    st.recursive(
        st.dictionaries(NAMES, st.none() | st.integers()),
        lambda inner: st.dictionaries(NAMES, inner | st.integers(), max_size=3),
        max_leaves=6,
    )
)
def test_every_name_of_an_object_leads_to_a_field(value):
    for name in field_names(value):
        assert field_of(value, name) is not MISSING
    assert field_of(value, "c") is MISSING


def test_damaged_parquet_is_bad_input(tmp_path):
    """Cut, with bytes changed anywhere or in the footer: 120 files."""
    import random

    rng, path = random.Random(0), tmp_path / "a.parquet"
    rows = {"text": [f"line {n}" * (n % 4) for n in range(200)], "o": [{"en": "x"}] * 200}
    parquet.write_table(pyarrow.table(rows), path, row_group_size=50)
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little")
    for trial in range(120):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[-8 - rng.randrange(footer) if trial % 3 else rng.randrange(len(whole))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.randrange(len(whole))] if trial % 3 == 2 else damaged)
        try:
            cells(str(path), "text", "o.en")
        except (InputError, UsageError) as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("column", [None, "absent"])
def test_an_error_is_one_line_whatever_the_columns_are_called(tmp_path, column):
    name = "a\nb\r\x1b[31m"
    parquet.write_table(pyarrow.table({name: ["x"], "c": ["y"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(json.dumps({name: "x", "c": "y"}) + "\n")
    (tmp_path / "a.csv").write_text(f'"{name}",c\nx,y\n')
    for kind in ("parquet", "jsonl", "csv"):
        with pytest.raises((UsageError, InputError), match=r"a\\nb") as refusal:
            cells(str(tmp_path / f"a.{kind}"), column)
        assert str(refusal.value).isprintable()


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_a_number_is_written_as_short_as_its_type_allows(tmp_path, bits):
    """0.1 of 32 bits is 0.10000000149011612 in 64: as a label it would be another than that of a .csv."""
    numbers = pyarrow.array(
        [np.dtype(f"f{bits // 8}").type(x) for x in (0.1, 1, -2.5, 1e-3)], pyarrow.from_numpy_dtype(f"f{bits // 8}")
    )
    parquet.write_table(
        pyarrow.table({"n": pyarrow.concat_arrays([numbers, pyarrow.nulls(1, numbers.type)])}), tmp_path / "a.parquet"
    )
    assert cells(str(tmp_path / "a.parquet"), "n") == [("0.1",), ("1.0",), ("-2.5",), ("0.001",), ("",)]


@pytest.mark.parametrize("text, says", [
    ("{}\n", "line 1: an object without fields"), ('{\n"text": "a"\n}\n', "line 1: .*; write one object per line, or all in one array"),
    ('{"text": "a"}{"text": "b"}\n', "line 1: .*; write one object per line"),
])  # fmt: skip
def test_json_that_is_no_table_is_named(tmp_path, text, says):
    for name in ("a.jsonl", "a.json"):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=says):
            cells(str(tmp_path / name), None)
