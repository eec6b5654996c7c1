"""`-o FILE` in every format: whatever the verb, all formats have the same rows."""

import csv
import json

import pyarrow
import pytest
from pyarrow import parquet as pq

TEXTS = ["the cat", "", 'my "computer",\n is\tvery [slow|old]', "나는 학생"]
SCORE = ["--level token", "--level word", "--level corpus", "--choices", "--scramble", ""]
TOKENIZE = ["", "--ids", "--count", "--decode", "--stats", "--vocab"]
GENERATE = ["--max-new-tokens 3", "--next 2"]


@pytest.fixture
def table(tmp_path):
    table = pyarrow.table({"text": TEXTS, "id": ["1", "", "3", "4"]})
    pq.write_table(table, tmp_path / "in.parquet")
    return "in.parquet"


def files(here, tmp_path, *command):
    """The rows of the command's TSV, CSV and Parquet files, each under its header."""
    for name in ("out.tsv", "out.csv", "out.parquet", "out.jsonl", "out.json"):
        done = here(*command, "-o", name, "-q", *(["--header"] if name == "out.tsv" else []))
        assert (done.code, done.out, done.err) == (0, "", ""), done.err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().split("\n")[:-1]]
    assert json.loads((tmp_path / "out.json").read_text()) == lines
    tsv = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().split("\n")[:-1]]
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.reader(file))
    table = pq.read_table(tmp_path / "out.parquet")
    return tsv, rows, table


def check(tsv, rows, table):
    assert tsv[0] == rows[0] == table.schema.names
    assert len(tsv) == len(rows) == table.num_rows + 1
    for name, kind, place in zip(table.schema.names, table.schema.types, range(len(tsv[0]))):
        csv_cells, cells = [row[place] for row in rows[1:]], table[name].to_pylist()
        if kind == pyarrow.string():
            assert cells == csv_cells
        else:
            assert csv_cells == [row[place] for row in tsv[1:]]
            for cell, value in zip(csv_cells, cells):
                assert (cell == "") if value is None else float(cell) == pytest.approx(value, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("options", SCORE)
def test_score(here, model, tmp_path, table, options):
    given = ["--keep", "id", "--keep", "text"] if not options else []
    done = ["my shirt is [clean|old]"] if options == "--choices" else ["-i", table, *given]
    tsv, rows, written = files(here, tmp_path, "score", "-m", model, *done, *options.split())
    check(tsv, rows, written)
    if given:
        assert rows[0][-3:] == ["id", "kept_text", "text"]
        assert written["text"].to_pylist() == written["kept_text"].to_pylist() == TEXTS


@pytest.mark.parametrize("options", TOKENIZE)
def test_tokenize(here, model, tmp_path, table, options):
    texts = [] if options == "--vocab" else ["-i", table]
    check(*files(here, tmp_path, "tokenize", "-m", model, *texts, *options.split()))


def test_tokens_in_a_csv_file_can_be_decoded(here, models, tmp_path, table):
    model = models("sentencepiece")
    assert here("tokenize", "-m", model, "-i", table, "-o", "pieces.csv").code == 0
    again = here(
        "tokenize", "-m", model, "--decode", "-i", "pieces.csv", "--text-column", "pieces", "-o", "text.parquet"
    )
    assert again.code == 0, again.err
    assert pq.read_table(tmp_path / "text.parquet")["text"].to_pylist() == [text.replace("\n", " ") for text in TEXTS]


@pytest.mark.parametrize("options", GENERATE)
def test_generate(here, model, tmp_path, table, options):
    check(*files(here, tmp_path, "generate", "-m", model, "-i", table, *options.split()))


@pytest.mark.parametrize("options", ["--keep label", "--explain", "--evaluate"])
def test_classify(here, bag, texts, tmp_path, options):
    check(*files(here, tmp_path, "classify", "-m", bag, "-i", texts, *options.split()))


@pytest.mark.parametrize("options", ["--with-scores --alignment", "--n-best 2"])
def test_translate(here, translator, tmp_path, table, options):
    command = ["translate", "-m", translator, "-i", table, "--max-length-ratio", "0.1", *options.split()]
    if options.startswith("--n-best"):  # its TSV is Moses' format
        for name in ("out.csv", "out.parquet"):
            assert here(*command, "-o", name).code == 0
        with open(tmp_path / "out.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        written = pq.read_table(tmp_path / "out.parquet")
        assert [row["translation"] for row in rows] == written["translation"].to_pylist()
        assert list(rows[0]) == written.schema.names == ["line", "rank", "translation", "log_prob"]
    else:
        check(*files(here, tmp_path, *command))


def test_rows_of_many_processes_are_in_order(here, model, tmp_path):
    lines = [f"the cat {n}" for n in range(200_000)]
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    assert here("score", "-m", model, "-i", "in.txt", "-o", "out.parquet", "--threads", 2).code == 0
    assert pq.read_table(tmp_path / "out.parquet", columns=["text"])["text"].to_pylist() == lines


@pytest.mark.parametrize(
    "options, says",
    [
        (["-o", "a.csv", "--json"], "name it .jsonl"),
        (["-o", "a.xlsx"], "name it .csv"),
        (["-o", "a.parquet.gz"], "name it a.parquet"),
    ],
)
def test_2_unsupported_formats(here, model, options, says):
    done = here("score", "-m", model, "the cat", *options)
    assert done.code == 2 and done.err.count("\n") == 1 and says in done.err


@pytest.mark.parametrize(
    "name, option", [("a.csv", "--header"), ("a.jsonl", "--header"), ("a.parquet", "--line-buffered")]
)
def test_an_option_that_a_format_does_not_have_gets_a_note(here, model, name, option):
    done = here("score", "-m", model, "the cat", "-o", name, option)
    assert done.code == 0 and f"{option} has no effect on {name}" in done.err
