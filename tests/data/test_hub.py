"""data/hub: a data set of `datasets` is read as a table is; what it complains of is bad input, in one line.

A folder stands for a data set of the hub; the network is switched off.
"""

import json

import pytest

from seqcli.data import hub, lines
from seqcli.errors import InputError, UsageError

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    hub._opened.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """Two splits of a data set: 2,500 rows to train on, 1 to test."""
    rows = {
        "train": [{"n": n, "text": f"t{n}\n한", "none": None} for n in range(2500)],
        "test": [{"n": 7, "text": "x"}],
    }
    for split, parts in rows.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in parts))
    return tmp_path


def cells(path: str, *columns: str | None) -> list[tuple[str, ...]]:
    return [row for rows in hub.read_rows(path, columns) for row in rows.cells]


def test_rows_are_streamed_in_order(folder):
    expected = [(f"t{n}\n한", str(n), "") for n in range(2500)]
    assert cells(f"hf:{folder}", None, "n", "none") == expected
    assert cells(f"hf:{folder}", None, "n", "none") == expected  # and again: a tokenizer is learnt first
    assert [rows.first for rows in hub.read_rows(f"hf:{folder}", ["n"])] == [1, 1025, 2049]
    assert cells(f"hf:{folder}:default@train", "#1", "text", "#2")[2] == ("2", "t2\n한", "t2\n한")
    assert cells(f"hf:{folder}@test", "text") == [("x",)]


def test_data_sets_that_are_none(folder):
    for address, message in {
        f"hf:{folder}@dev": r"@dev: .*Available splits.*hf:NAME:CONFIG@SPLIT",
        f"hf:{folder}:large": "Available: .'default'.*hf:NAME:CONFIG@SPLIT",
        f"hf:{folder}/none": "or a folder",
        "hf:no-such-name": "connection and the name",
        "hf:": "missing data set name",
    }.items():
        with pytest.raises(InputError, match=message) as refusal:
            hub.check(address)
        assert "\n" not in str(refusal.value) and refusal.value.where == address


def test_columns_that_are_not_there(folder):
    with pytest.raises(UsageError, match="did you mean 'text'"):
        cells(f"hf:{folder}", "txet")
    with pytest.raises(UsageError, match="no column #4; the table has 3"):
        cells(f"hf:{folder}", "#4")


def test_a_damaged_data_set_is_bad_input(folder):
    with open(folder / "train.jsonl", "a") as file:
        file.write('{"text": \n' * 3)
    with pytest.raises(InputError, match="cannot read the data set"):
        cells(f"hf:{folder}", "text")


def test_what_was_saved_to_disk_is_read_as_its_folder(tmp_path):
    made = {
        split: datasets.Dataset.from_dict({"text": [f"{split} 1", "b\nc"], "label": [0, 1]})
        for split in ("train", "test")
    }
    named = datasets.ClassLabel(names=["neg", "pos"])
    datasets.DatasetDict({split: each.cast_column("label", named) for split, each in made.items()}).save_to_disk(
        tmp_path / "all"
    )
    made["train"].save_to_disk(tmp_path / "one")
    assert cells(f"hf:{tmp_path / 'all'}", None, "label") == [("train 1", "neg"), ("b\nc", "pos")]
    assert cells(f"hf:{tmp_path / 'all'}@test", None) == [("test 1",), ("b\nc",)]
    assert cells(f"hf:{tmp_path / 'one'}", "label", "text") == [("0", "train 1"), ("1", "b\nc")]
    with pytest.raises(InputError, match="dev"):
        hub.check(f"hf:{tmp_path / 'all'}@dev")
    (stream,) = (tmp_path / "one").glob("*.arrow")
    with pytest.raises(InputError, match=r": looks like an Arrow stream, not text; save it as .parquet"):
        list(lines.read_blocks(str(stream)))
