"""`-o FOLDER/`: the rows of one Parquet file in several, whole or not at all."""

import os

import pyarrow.parquet as parquet
import pytest

from seqcli.report import parquet as written
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import Output


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(written.ParquetShards.__init__, "__kwdefaults__", {"rows": 5})


def test_shards_hold_the_rows_of_one_file(small, tmp_path):
    for path in ("one.parquet", "several/"):
        with Output(os.path.join(tmp_path, path)) as out:
            out.begin(["text", Column("n", (), WHOLE)])
            for n in range(6):
                out.rows([Column("text", ["a", "b", "c"]), Column("n", [n, n, n], WHOLE)])
    names = sorted(os.listdir(tmp_path / "several"))
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert [parquet.read_metadata(tmp_path / "several" / name).num_rows for name in names] == [6, 6, 6]
    assert parquet.read_table(tmp_path / "several").equals(parquet.read_table(tmp_path / "one.parquet"))


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), Output(f"{tmp_path}/new/") as out:
        out.begin(["text"])
        out.rows([Column("text", ["a"])])
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_by_the_command(here, model, tmp_path):
    assert here("score", "-m", model, "a b", "the cat", "-o", f"{tmp_path}/new/").code == 0
    assert parquet.read_table(tmp_path / "new").column("text").to_pylist() == ["a b", "the cat"]
    again = here("score", "-m", model, "a", "-o", f"{tmp_path}/new/")
    assert again.code == 5 and again.err.count("\n") == 1 and "File exists" in again.err
    done = here("score", "-m", model, "a", "--json", "-o", f"{tmp_path}/other/")
    assert done.code == 2 and "writes JSON Lines, not Parquet" in done.err and not (tmp_path / "other").exists()
    (tmp_path / "empty").mkdir()
    assert here("tokenize", "-m", model, "a", "-o", f"{tmp_path}/empty/").code == 0
    assert os.listdir(tmp_path / "empty") == ["part-00000.parquet"]
    assert (
        here("score", "-m", model, "-i", f"{tmp_path}/empty/", "--text-column", "pieces").code == 0
    )  # and is read again
