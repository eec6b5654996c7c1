"""data/labelled: texts with their labels from every kind of file, and what is no label."""

import gzip
import json
import unicodedata

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.data import hub, lines, records
from seqcli.data.labelled import in_order, read_all, read_labelled
from seqcli.errors import InputError, UsageError


@pytest.fixture
def write(tmp_path):
    def written(name: str, data: bytes | str) -> str:
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return str(tmp_path / name)

    return written


def pairs(path: str, **options) -> list[tuple[str, str]]:
    """(label, text) of all records."""
    found = []
    for part in read_labelled(path, **options):
        assert len(part.block) == len(part.labels)
        found += zip(part.labels, part.block.records())
    return found


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_columns_of_nsmc_are_found(write):
    path = write("ratings.tsv", 'id\tdocument\tlabel\n1\t"굳\t 1 \n2\t\t0\n3\t\\\'"\t1\n')
    assert pairs(path) == [("1", '"굳'), ("0", ""), ("1", "\\'\"")]


@pytest.mark.parametrize("name", ["label", "labels", "class", "category", "sentiment", "target"])
def test_usual_names_of_label_columns(write, name):
    assert pairs(write("a.tsv", f"x\ttext\t{name}\n1\ta\tb\n")) == [("b", "a")]


def test_the_first_usual_name_wins(write):
    assert pairs(write("a.tsv", "target\ttext\tlabel\n1\ta\tb\n")) == [("b", "a")]
    assert pairs(write("a.tsv", "target\ttext\tlabel\n1\ta\tb\n"), label_column="target", text_column="label") == [
        ("1", "b")
    ]


@pytest.mark.parametrize("kind, between", [("tsv", "\t"), ("csv", ",")])
def test_columns_by_number(write, kind, between):
    path = write(f"a.{kind}", "y,a b\nn,c\n".replace(",", between))
    assert pairs(path, text_column="#2", label_column="#1") == [("y", "a b"), ("n", "c")]
    with pytest.raises(
        UsageError, match=r"text column is given by number but the label column by name; .*--label-column as #N"
    ):
        pairs(path, text_column="#2")
    with pytest.raises(UsageError, match="label column is given by number but the text column by name"):
        pairs(path, text_column="y", label_column="#1")


def test_rows_unlike_the_first_are_refused(write):
    with pytest.raises(InputError, match=r"line 3: 3 fields but the first line has 2"):
        pairs(write("a.tsv", "label\ttext\ny\ta\nn\tb\tmore\n"))
    with pytest.raises(InputError, match=r"line 3: 1 field but the first line has 2"):
        pairs(write("b.tsv", "label\ttext\ny\ta\nn\n"))


@given(st.lists(st.lists(st.text('ab "한\x85', max_size=3), min_size=3, max_size=3), max_size=8), st.booleans())
@settings(deadline=None, max_examples=40)
def test_tsv_is_split_the_same_with_blank_lines_and_without(tmp_path_factory, rows, blank):
    rows = [row for row in rows if any(row)]  # the first says how many columns there are
    rows += [[""], ["x", "y", "z"]] if blank and rows else []
    path = tmp_path_factory.getbasetemp() / "split.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    blocks = records.read_blocks(str(path), column="#2", keep=["#1"])
    assert [record for block in blocks for record in zip(block.kept, block.records())] == [
        ((row[0],), row[1] if len(row) > 1 else "") for row in rows
    ]


def test_csv_and_kept_columns(write):
    path = write("a.csv", 'id,text,label\r\n7,"a\nb",y\r\n8,c,n\r\n')
    (part,) = read_labelled(path, keep=["id"])
    assert part.block.records() == ["a\nb", "c"] and part.block.data == b"a b\nc\n"
    assert part.labels == ["y", "n"] and part.block.kept == (("7",), ("8",)) and part.where(1) == f"{path}, row 2"
    (part,) = read_labelled(write("a.tsv", "id\ttext\tlabel\n7\ta\ty\n"), keep=["id", "label"])
    assert part.block.kept == (("7", "y"),) and part.where(0).endswith("line 2")
    (part,) = read_labelled(path)
    assert part.block.kept == ()


def test_values_of_json_are_labels_as_they_are_written(write):
    values = [1, 1.0, True, False, "1", " a ", 0]
    path = write("a.jsonl", "".join(json.dumps({"text": "x", "label": value}) + "\n" for value in values))
    assert [label for label, _ in pairs(path)] == ["1", "1.0", "true", "false", "1", "a", "0"]


def test_the_label_field_is_that_of_the_first_object(write):
    path = write("a.jsonl", '{"text": "x", "class": "a"}\n{"text": "y", "label": "b"}\n')
    with pytest.raises(InputError, match=r"line 2: no label"):
        pairs(path)
    with pytest.raises(UsageError, match=r"line 1: no label field chosen; use --label-column with one of text, labl"):
        pairs(write("b.jsonl", '{"text": "x", "labl": "a"}\n'))
    with pytest.raises(InputError, match=r"no field 'labl'.*did you mean 'label'"):
        pairs(write("c.jsonl", '{"text": "x", "label": "a"}\n'), label_column="labl")


def test_parquet(write, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for values, labels in [([1, 0], ["1", "0"]), ([1.0, 0.5], ["1.0", "0.5"]), ([True, False], ["true", "false"])]:
        parquet.write_table(pyarrow.table({"label": values, "text": ["a\n", "b"]}), tmp_path / "a.parquet")
        assert pairs(str(tmp_path / "a.parquet")) == list(zip(labels, ["a\n", "b"]))
    parquet.write_table(pyarrow.table({"label": ["a", None], "text": ["a", "b"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"row 2: no label"):
        pairs(str(tmp_path / "a.parquet"))


def test_packed_and_foreign_text(write):
    assert pairs(write("a.tsv.gz", gzip.compress(b"text\tlabel\na\tb\n"))) == [("b", "a")]
    text = "text\tlabel\n나는 기계 학습을\t긍정\n"
    assert pairs(write("a.tsv", text.encode("cp949")), encoding="cp949") == [("긍정", "나는 기계 학습을")]
    (part,) = read_labelled(write("b.tsv", b"text\tlabel\na\xff\tb\n"))
    assert part.block.replaced == 1
    with pytest.raises(InputError, match="line 2, byte 2"):
        pairs(write("b.tsv", b"text\tlabel\na\xff\tb\n"), strict=True)


def test_truth_values_are_the_same_labels_in_every_format(write, tmp_path):
    """A table of pandas: its CSV has True, its JSON and Parquet true."""
    table = pandas.DataFrame({"text": ["a", "b", "c"], "label": [True, False, True]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    table.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    table.to_json(tmp_path / "a.json", orient="records")
    table.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet"):
        labels = [label for block in read_labelled(str(tmp_path / name)) for label in block.labels]
        assert labels == ["true", "false", "true"], name
    assert next(read_labelled(write("b.csv", "text,label\na,TRUE\nb,Truely\n"))).labels == ["true", "Truely"]


def test_classes_of_a_data_set_have_names(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    hub._opened.cache_clear()
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "n": datasets.Value("int64"),
        }
    )
    rows = {"text": ["a", "b", "c"], "label": [1, 0, 1], "n": [4, 5, 6]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train.parquet")
    rows["label"] = [1, -1, None]
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "test.parquet")
    assert pairs(f"hf:{tmp_path}") == [("pos", "a"), ("neg", "b"), ("pos", "c")]
    assert [label for label, _ in pairs(f"hf:{tmp_path}", label_column="n")] == ["4", "5", "6"]
    with pytest.raises(InputError, match=r"^hf:.*@test, row 2: 2 rows have no label, beginning with this one"):
        pairs(f"hf:{tmp_path}@test")


# --- fastText ---------------------------------------------------------------------------------------------------------


def test_lines_of_fasttext(write):
    path = write("a.txt", "__label__y a  b \n __label__한국\tc\n__label__n\n__label__y foo__label__x\n")
    assert pairs(path) == [("y", "a  b "), ("한국", "c"), ("n", ""), ("y", "foo__label__x")]


def test_lines_with_several_labels_or_none(write):
    for text in ("__label__a __label__b x\n", "__label__a x __label__b\n", "__label__a\t__label__b\n"):
        with pytest.raises(InputError, match=r"a\.txt, line 2: several labels on a line; keep one"):
            pairs(write("a.txt", "__label__a x\n" + text))
    with pytest.raises(InputError, match=r"a\.txt, line 2: no label; begin every line with __label__NAME"):
        pairs(write("a.txt", "__label__a x\ny\n"))
    with pytest.raises(InputError, match=r"a\.txt, line 2: 2 lines have no label, beginning with this one"):
        pairs(write("a.txt", "__label__a x\ny\n\n__label__ x\n"))


def test_columns_are_for_tables(write):
    with pytest.raises(UsageError, match="--label-column needs"):
        pairs(write("a.txt", "__label__a x\n"), label_column="label")


def test_columns_are_those_of_the_tables_among_several_files(write):
    table, lines_ = write("a.csv", "t,l\nx,a\ny,b\n"), write("a.txt", "__label__a z\n")
    found = read_all([lines_, table], text_column="t", label_column="l")
    assert b"".join(found.blocks) == b"z\nx\ny\n" and [found.labels[k] for k in found.targets] == ["a", "a", "b"]
    with pytest.raises(UsageError, match="--text-column needs"):
        read_all([lines_], text_column="t")


# --- labels -----------------------------------------------------------------------------------------------------------


def test_missing_labels_are_counted(write, monkeypatch):
    monkeypatch.setattr(lines.read_blocks, "__kwdefaults__", {**lines.read_blocks.__kwdefaults__, "size": 32})
    rows = [f"t{n}\t{'' if n % 10 == 7 else ' ' if n == 9 else n % 2}" for n in range(100)]
    path = write("a.tsv", "text\tlabel\n" + "".join(row + "\n" for row in rows))
    with pytest.raises(InputError) as refusal:
        pairs(path)
    assert (
        str(refusal.value)
        == f"{path}, line 9: 11 lines have no label, beginning with this one; add the missing labels or remove these rows"
    )
    with pytest.raises(InputError, match=r"line 1: 2 lines have no label"):
        pairs(write("a.jsonl", '{"text": "x", "label": null}\n{"text": "y"}\n{"text": "y", "label": "a"}\n'))


@pytest.mark.parametrize("label", ["a\tb", "a\nb", "a\x1bb", "a\x9bb", "a\u2028b", "x" * 50 + "\tb"])
def test_control_characters_are_no_part_of_a_label(write, label):
    rows = [{"text": "x", "label": "a"}, {"text": "x", "label": label}]
    with pytest.raises(InputError, match=r"line 2: .* contains the control character '\\.*;") as refusal:
        pairs(write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    assert str(refusal.value).isprintable() and len(str(refusal.value)) < 300


def test_labels_are_normalised(write):
    decomposed = unicodedata.normalize("NFD", "긍정")
    path = write("a.tsv", f"text\tlabel\n{decomposed}\t{decomposed} \nx\t\u3000긍정\nx\ty\n")
    assert [label for label, _ in pairs(path)] == ["긍정", "긍정", "y"]
    assert read_all([path]).blocks == [f"{decomposed}\nx\nx\n".encode()]


@given(st.lists(st.tuples(st.sampled_from("ab 한é"), st.text('x\t" 한\u0301', max_size=5)), min_size=1, max_size=9))
@settings(deadline=None, max_examples=30)
def test_fasttext_lines_and_tables_say_the_same(tmp_path_factory, rows):
    base = tmp_path_factory.getbasetemp()
    rows = [(label.strip() or "z", text.replace("\t", " ").strip(" ")) for label, text in rows]
    (base / "h.txt").write_text("".join(f"__label__{label} {text}\n" for label, text in rows))
    (base / "h.tsv").write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows))
    (base / "h.jsonl").write_text("".join(json.dumps({"label": label, "text": text}) + "\n" for label, text in rows))
    assert pairs(str(base / "h.txt")) == pairs(str(base / "h.tsv")) == pairs(str(base / "h.jsonl")) == rows


# --- all at once ------------------------------------------------------------------------------------------------------


def test_all_texts_of_several_files(write, monkeypatch):
    monkeypatch.setattr(lines.read_blocks, "__kwdefaults__", {**lines.read_blocks.__kwdefaults__, "size": 16})
    first = write("a.tsv", "text\tlabel\n" + "".join(f"t{n}\t{n % 3 * 5}\n" for n in range(50)))
    second = write("b.txt", "__label__10 x\n__label__7 y\n")
    made = read_all([first, second])
    assert made.labels == ["0", "5", "7", "10"] and made.targets.dtype == np.int32 and len(made) == 52
    names = [made.labels[target] for target in made.targets]
    assert names == [str(n % 3 * 5) for n in range(50)] + ["10", "7"]
    assert b"".join(made.blocks).decode().split() == [f"t{n}" for n in range(50)] + ["x", "y"]
    assert made.counts.tolist() == [17, 17, 1, 17]


def test_labels_that_a_model_knows(write):
    path = write("a.tsv", "text\tlabel\nx\tb\ny\tneutral\nz\tother\n")
    made = read_all([path], labels=["other", "neutral", "b", "a"])
    assert made.labels == ["other", "neutral", "b", "a"] and made.targets.tolist() == [2, 1, 0]
    made = read_all([path], labels=["b", "neutrals"])  # others come after, for whoever asks to judge
    assert made.labels == ["b", "neutrals", "neutral", "other"] and made.targets.tolist() == [0, 2, 3]
    assert read_all([write("b.tsv", "text\tlabel\nx\tb\n")], labels=["a", "b"]).targets.tolist() == [
        1
    ]  # to judge, one will do


def test_too_little_to_train_on(write):
    with pytest.raises(InputError, match=r"only one label, 'a', in 2 texts.*--label-column"):
        read_all([write("a.tsv", "text\tlabel\nx\ta\ny\ta\n")])
    made = read_all([write("a.tsv", "text\tlabel\nx\ta\n")], fewest=1)
    assert made.labels == ["a"] and made.targets.tolist() == [0]
    for name, data in {"b.tsv": "text\tlabel\n", "c.tsv": "", "d.txt": ""}.items():
        with pytest.raises(InputError, match=f"{name}.*: no texts"):
            read_all([write(name, data)])


def test_malformed_text_is_noted(write):
    class Notes(list):
        note = list.append

        def progress(self, *_):
            pass

    notes = Notes()
    read_all([write("a.tsv", b"text\tlabel\na\xff\tx\nb\xfe\ty\n")], reporter=notes)
    assert len(notes) == 1 and notes[0].startswith("2 malformed UTF-8 sequences")


def test_the_order_of_labels():
    assert in_order(["10", "2", "-1", "1.5"]) == ["-1", "1.5", "2", "10"]
    assert in_order(["10", "2", "a"]) == ["10", "2", "a"]
    assert in_order(["nan", "2", "10"]) == ["10", "2", "nan"]
    assert in_order(["1.0", "1", "0"]) == ["0", "1", "1.0"]
