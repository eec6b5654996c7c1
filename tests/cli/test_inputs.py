"""What a command reads: several files, formats, labels in lines, blank rows, texts that are names of files; options once."""

import bz2
import gzip
import json
import lzma

import pyarrow
import pytest
import typer
from conftest import LINES

from seqcli import cli
from seqcli.data import hub
from seqcli.errors import UsageError

FORMATS = ("tsv", "csv", "jsonl", "json", "parquet", "ndjson")


def commands() -> list[tuple[str, typer.core.TyperCommand]]:
    """All commands with the words that call them."""
    found = []
    for name, command in cli.program().commands.items():
        if hasattr(command, "commands"):
            found += [(f"{name} {sub}", each) for sub, each in command.commands.items()]
        else:
            found.append((name, command))
    return found


@pytest.mark.parametrize("name, command", commands(), ids=[name for name, _ in commands()])
def test_2_a_single_valued_option_given_twice_is_refused(name, command):
    for option in command.params:
        if option.param_type_name != "option" or option.is_flag or option.count:
            continue
        word = option.opts[-1]
        with pytest.raises((UsageError, typer.TyperException)) as refusal:
            command.make_context(
                name, [word, "1", f"{word}=1", "--no-such-option"] if option.multiple else [word, "1", f"{word}=1"]
            )
        assert (str(refusal.value) == f"{word} is given twice but takes a single value") != option.multiple


def test_2_the_same_from_the_command_line(here, model):
    done = here("score", "the cat", "-m", model, "--base", "2", "--base", "2")
    assert (done.code, done.err) == (2, "seqcli score: error: --base is given twice but takes a single value\n")
    assert here("score", "the cat", "-m", model, "-q", "-q").code == 0  # a flag says the same twice


def written(folder, kind: str, rows: list[dict]) -> str:
    """The rows as a table of a kind."""
    path = folder / f"t.{kind}"
    if kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), path)
    elif kind in ("jsonl", "ndjson"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows))
    else:
        between = {"tsv": "\t", "csv": ","}[kind]
        lines = [
            between.join(rows[0]),
            *(between.join("" if cell is None else str(cell) for cell in row.values()) for row in rows),
        ]
        path.write_text("\n".join(lines) + "\n")
    return path.name


@pytest.mark.parametrize("verb", ["score", "tokenize", "generate"])
def test_several_inputs_are_read_one_after_another(here, model, tmp_path, verb):
    (tmp_path / "a.txt").write_text("the cat\n\nthe dog\n")
    written(tmp_path, "jsonl", [{"text": "she studies"}, {"text": "my shirt"}])
    (tmp_path / "all.txt").write_text("the cat\n\nthe dog\nshe studies\nmy shirt\n")
    more = ["--max-new-tokens", 3] if verb == "generate" else []
    both = here(verb, "-m", model, "-i", "a.txt", "-i", "t.jsonl", "--json", *more)
    assert both.code == 0 and both.out == here(verb, "-m", model, "-i", "all.txt", "--json", *more).out
    assert [json.loads(row)["line"] for row in both.out.splitlines()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", FORMATS)
def test_null_is_empty_and_every_record_is_a_row_in_every_format(here, model, tmp_path, kind):
    rows = [
        {"n": 1, "text": "the cat"},
        {"n": 2, "text": None},
        {"n": None, "text": "a dog"},
        {"n": None, "text": None},
    ]
    done = here("score", "-m", model, "-i", written(tmp_path, kind, rows), "--keep", "n")
    assert done.code == 0, done.err
    assert [(row[5], row[6]) for row in done.rows] == [("1", "the cat"), ("2", ""), ("", "a dog"), ("", "")]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_format_of_a_pipe_can_be_named(here, model, tmp_path, kind):
    data = (tmp_path / written(tmp_path, kind, [{"text": "the cat"}, {"text": "a dog"}])).read_bytes()
    named = "jsonl" if kind == "ndjson" else kind
    done = here("score", "-m", model, "--format", named, stdin=data)
    assert done.code == 0 and [row[5] for row in done.rows] == ["the cat", "a dog"]
    assert here("score", "-m", model, "--format", "lines", "-i", f"t.{kind}").code == (3 if kind == "parquet" else 0)
    assert here("score", "-m", model, "--format", "xml", stdin=data).code == 2
    assert here("score", "-m", model, "--format", named, "the cat").code == 2


def test_a_text_that_is_the_name_of_a_file_gets_a_note(here, model, tmp_path):
    (tmp_path / "a.txt").write_text("the cat\n")
    done = here("score", "-m", model, "a.txt", "the cat")
    assert done.rows[0][5] == "a.txt" and "use -i a.txt" in done.err
    assert "use -i" not in here("score", "-m", model, "the cat", "x" * 5000).err


# --- labels -----------------------------------------------------------------------------------------------------------


def test_labels_in_lines_are_not_part_of_the_text(here, bag, tmp_path):
    texts = ["a fine film", "it is dull and slow", "fine", ""]
    lines = ["__label__bad a fine film", "it is dull __label__x and slow", "fine __label__bad", "__label__good"]
    (tmp_path / "labelled.txt").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in texts))
    labelled, plain = (here("classify", "-m", bag, "-i", name) for name in ("labelled.txt", "texts.txt"))
    assert [row[:2] for row in labelled.rows] == [row[:2] for row in plain.rows] and labelled.code == 0
    assert [row[2] for row in labelled.rows] == lines  # shown as given
    assert here("classify", "-m", bag, *lines[:3]).rows == labelled.rows[:3]
    explained = here("classify", "-m", bag, "-i", "labelled.txt", "--explain").rows
    assert [row[2:] for row in explained] == [
        row[2:] for row in here("classify", "-m", bag, "-i", "texts.txt", "--explain").rows
    ]
    written(tmp_path, "jsonl", [{"text": "__label__bad a fine film"}])  # a cell is text, whatever it looks like
    assert here("classify", "-m", bag, "-i", "t.jsonl").rows[0][:2] != labelled.rows[0][:2]


def test_2_one_column_is_not_text_and_label(here, tmp_path):
    for kind in ("tsv", "jsonl", "parquet"):
        path = written(tmp_path, kind, [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}])
        for columns in (
            ["--text-column", "label", "--label-column", "label"],
            ["--label-column", "text"],
            ["--text-column", "label"],
        ):
            done = here("train", "classifier", path, "-o", "new", *columns)
            assert done.code == 2 and done.err.count("\n") == 1 and not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", [*FORMATS, "ft"])
def test_blank_rows_are_left_out_of_training_with_a_count(here, tmp_path, kind):
    rows = [{"text": f"{word} {n}", "label": label} for n in range(8) for word, label in (("good", "x"), ("bad", "y"))]
    blank = {"text": None, "label": None}
    if kind == "ft":
        lines = [f"__label__{row['label']} {row['text']}" for row in rows]
        (tmp_path / "t.ft").write_text("\n".join([*lines[:3], "", *lines[3:], "", " "]) + "\n")
        path = "t.ft"
    else:
        path = written(tmp_path, kind, [*rows[:3], blank, *rows[3:], blank, blank])
    done = here("train", "classifier", path, "-o", "new")
    assert done.code == 0 and f"{path}: 3 blank rows are left out" in done.err, done.err
    judged = here("classify", "-m", "new", "--evaluate", "-i", path, "--json")
    assert judged.code == 0 and json.loads(judged.out)["texts"] == 16


@pytest.mark.parametrize("kind", FORMATS)
def test_blank_rows_at_the_end_of_a_table_are_left_out(here, tmp_path, kind):
    rows = [{"text": line, "n": 1} for line in LINES]
    blank = {"text": None, "n": None}
    models = {}
    for name, more in (("m", []), ("n", [blank, blank])):
        done = here("train", "lm", written(tmp_path, kind, [*rows, *more]), "-o", name, "--order", 2)
        assert done.code == 0 and ("2 blank rows at the end are left out" in done.err) == bool(more)
        models[name] = here("score", "-m", name, "the cat").out
    assert models["m"] == models["n"]


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_blank_lines_at_the_end_of_a_table_are_noted_by_every_verb(here, model, bag, translator, tmp_path, kind):
    name = written(tmp_path, kind, [{"text": "the cat", "label": "good"}, {"text": None, "label": "bad"}])
    with open(tmp_path / name, "a") as file:
        file.write("\n \n")
    for verb, chosen, options in (
        ("score", model, []), ("tokenize", model, []), ("generate", model, ["--max-new-tokens", 1]), ("classify", bag, []),
        ("translate", translator, ["--max-length-ratio", 0.1]),
    ):  # fmt: skip
        done = here(verb, "-m", chosen, "-i", name, *options)
        assert done.code == 0 and len(done.rows) == 2 and f"{name}: 2 blank rows at the end are left out" in done.err
    judged = here("classify", "-m", bag, "--evaluate", "-i", name, "--json")
    assert json.loads(judged.out)["texts"] == 2 and f"{name}: 2 blank rows are left out" in judged.err


def test_a_label_that_the_model_does_not_know_is_counted(here, bag, tmp_path):
    """Accuracy, recall and F1 as scikit-learn computes them: from the pairs of true and predicted labels."""
    texts = {
        "fine and good": "good",
        "dull and slow": "bad",
        "a grey day": "mixed",
        "grey": "mixed",
        "a good film": "good",
    }
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in texts.items()))
    done = here("classify", "-m", bag, "--evaluate", "-i", "a.tsv", "--json", "--errors", 9)
    assert (
        done.code == 0
        and "2 texts have labels unknown to it, counted as wrong and left out of the loss: mixed" in done.err
    )
    figures = json.loads(done.out)
    predicted = [row[0] for row in here("classify", "-m", bag, *texts).rows]
    pairs = list(zip(texts.values(), predicted))
    assert figures["texts"] == 5 and figures["accuracy"] == sum(truth == said for truth, said in pairs) / 5
    by_label = {row["label"]: row for row in figures["labels"]}
    f1 = []
    for label in {label for pair in pairs for label in pair}:
        right = pairs.count((label, label))
        support, said = (sum(pair[side] == label for pair in pairs) for side in (0, 1))
        f1.append(2 * right / (support + said))
        assert by_label[label]["support"] == support and by_label[label]["f1"] == pytest.approx(f1[-1])
        assert by_label[label]["recall"] == (right / support if support else 0)
    assert figures["macro_f1"] == pytest.approx(sum(f1) / len(f1))
    assert {row["truth"] for row in figures["errors"]} >= {"mixed"}


# --- pairs, data sets -------------------------------------------------------------------------------------------------


def test_a_header_is_not_a_pair(here, model, tmp_path):
    pairs = "the cat sleeps\tcat sleeps the\tx\nthe dog\tdog the\ty\n"
    (tmp_path / "p.tsv").write_text(pairs)
    expected = here("score", "-m", model, "--pairs", "p.tsv").out
    for header in ("good\tbad\ttag", "sentence_good\tsentence_bad\tUID", "Good\tBad"):
        (tmp_path / "p.tsv").write_text(f"{header}\n{pairs}")
        assert here("score", "-m", model, "--pairs", "p.tsv").out == expected


@pytest.mark.parametrize(
    "name, part", [("set@1", ""), ("set:x", ""), ("set@1:y@2", ""), ("set:x", "@train"), ("set@1", ":default@train")]
)
def test_a_folder_is_read_whatever_its_name_and_without_the_network(here, tmp_path, monkeypatch, name, part):
    pytest.importorskip("datasets")
    import socket

    def refused(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    hub._opened.cache_clear()
    (tmp_path / name).mkdir()
    (tmp_path / name / "train.csv").write_text("text,n\nthe cat,1\n,2\nthe dog,3\n")
    done = here("train", "lm", f"hf:{name}{part}", "-o", "new", "--order", 2)
    assert done.code == 0 and "3 rows" in done.err, done.err


@pytest.mark.parametrize("name", ["n\udcff.txt", "d\udcff/t.txt"])
def test_a_file_whose_name_is_not_utf8(here, tmp_path, name):
    """Linux's file names are bytes, which Python spells with lone surrogates."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("".join(line + "\n" for line in LINES))
    model = str((tmp_path / name).with_name("m\udcff"))
    assert here("train", "lm", name, "-o", model).code == 0
    done = here("info", model, "--json")
    assert done.code == 0 and json.loads(done.out)["data"]["files"] == [name.rpartition("/")[2]]
    assert here("info", model).code == here("score", "-m", model, "-i", name, "--json").code == 0


# --- folders, patterns, compressed files ------------------------------------------------------------------------------


def test_a_folder_or_a_pattern_is_read_as_its_files_are(here, model, tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "a.txt").write_text("the cat\n\n")
    (tmp_path / "d" / "b.txt.gz").write_bytes(gzip.compress(b"the dog\n"))
    (tmp_path / "d" / "e" / "t.csv").write_text("text,n\nshe studies,1\n")
    files = ["d/a.txt", "d/b.txt.gz", "d/e/t.csv"]
    expected = here("score", "-m", model, *[word for file in files for word in ("-i", file)]).out
    assert len(expected.splitlines()) == 4
    for given in ("d", "d/", "d/**", "**/d/**/*.*"):
        done = here("score", "-m", model, "-i", given)
        assert done.code == 0 and done.out == expected, done.err
    assert [row[5] for row in here("score", "-m", model, "-i", "d", "--unit", "document").rows] == [
        *files[:2],
        "she studies",
    ]
    (tmp_path / "d" / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    refused = here("score", "-m", model, "-i", "d")
    assert refused.code == 3 and "p.png" in refused.err and refused.err.count("\n") == 1


def test_training_on_a_folder_equals_training_on_its_files(here, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.txt").write_text("".join(f"{line}\n" for line in LINES[:6]))
    (tmp_path / "d" / "b.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES[6:]))
    for name, data in (("m", ["d"]), ("n", ["d/*"]), ("o", ["d/a.txt", "d/b.jsonl"])):
        assert here("train", "lm", *data, "-o", name, "--order", 2).code == 0
    scores = {here("score", "-m", f"x={name}", "the cat").out for name in "mno"}
    assert len(scores) == 1


def test_several_files_that_the_shell_made_of_a_pattern(here, model, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("the cat\n")
    done = here("score", "-m", model, "-i", "a.txt", "b.txt")
    assert done.code == 2 and "quote a pattern, or give -i before each file: -i b.txt" in done.err


PACK = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
    ".zst": lambda data: pyarrow.compress(data, "zstd", asbytes=True),
}  # fmt: skip


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_file_is_its_content_for_every_verb_and_never_text_itself(here, model, bag, tmp_path, suffix):
    plain = "".join(f"{line}\n" for line in LINES).encode()
    table = "".join(f"__label__{'xy'[n % 2]} {line}\n" for n, line in enumerate(LINES)).encode()
    for name, data in (("t.txt", plain), ("l.txt", table)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / (name + suffix)).write_bytes(PACK[suffix](data))
        (tmp_path / f"named-{name}").write_bytes(PACK[suffix](data))
    for verb, chosen, options in (
        ("score", model, []), ("tokenize", model, []), ("generate", model, ["--max-new-tokens", 1]), ("classify", bag, []),
    ):  # fmt: skip
        assert (
            here(verb, "-m", chosen, "-i", f"t.txt{suffix}", *options).out
            == here(verb, "-m", chosen, "-i", "t.txt", *options).out
        )
        refused = here(verb, "-m", chosen, "-i", "named-t.txt", *options)
        assert refused.code == 3 and f"name it {suffix}" in refused.err
    for kind, name in (("lm", "t.txt"), ("tokenizer", "t.txt"), ("classifier", "l.txt")):
        more = ["--tokenizer", "words"] if kind == "tokenizer" else []
        assert here("train", kind, name + suffix, "-o", kind, *more).code == 0
        refused = here("train", kind, f"named-{name}", "-o", f"{kind}-2", *more)
        assert refused.code == 3 and f"name it {suffix}" in refused.err and not (tmp_path / f"{kind}-2").exists()
    assert here("score", "-m", "lm", "the cat").rows[0][4] == "0"
