"""`seqcli classify`: rows and their columns, temperatures, explanations."""

import gzip
import json
import math

import numpy as np
import pytest
from small_classifiers import ASKED, BAD, GOOD, JUDGED, PAIRS, SETTINGS, in_json, one_line, shares, table

from seqcli.tasks.classification.load import open_classifier
from seqcli.text import tsv_field

# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", SETTINGS)
def test_a_row_is_label_probability_text(here, places, arch):
    done = here("classify", *ASKED, "-m", places(arch), "--header")
    assert done.code == 0 and done.rows[0] == ["label", "probability", "text"]
    for (label, probability, text), asked, p in zip(done.rows[1:], ASKED, shares(places(arch), ASKED), strict=True):
        assert text == asked and label == ["bad", "good"][p.argmax()]
        assert float(probability) == pytest.approx(p.max(), abs=1e-6) and len(probability) == 8
    assert [row[0] for row in done.rows[1:]][0::2][:2] == ["good", "bad"]
    assert here("classify", *ASKED, "-m", places(arch)).rows == done.rows[1:]


def test_a_row_in_json(here, bag):
    for number, (value, asked, p) in enumerate(
        zip(in_json(here("classify", *ASKED, "-m", bag, "--json")), ASKED, shares(bag, ASKED), strict=True), 1
    ):
        assert list(value) == ["line", "text", "label", "probability", "labels"]
        assert (value["line"], value["text"]) == (number, asked) and value["label"] == value["labels"][0]["label"]
        assert value["probability"] == value["labels"][0]["probability"] == pytest.approx(p.max())
        assert sum(each["probability"] for each in value["labels"]) == pytest.approx(1)
        assert {each["label"]: each["probability"] for each in value["labels"]} == {
            "bad": pytest.approx(p[0]),
            "good": pytest.approx(p[1]),
        }
    assert [len(value["labels"]) for value in in_json(here("classify", *ASKED, "-m", bag, "--json", "--top-k", 1))] == [
        1
    ] * len(ASKED)
    assert here("classify", *ASKED, "-m", bag, "--top-k", 9).rows == here("classify", *ASKED, "-m", bag).rows


def test_below_the_threshold_is_a_question_mark(here, bag):
    p = shares(bag, ASKED)
    cut = float(np.sort(p.max(axis=1))[2]) + 1e-9
    done = here("classify", *ASKED, "-m", bag, "--threshold", cut, "--label-prefix", "__label__")
    want = [f"__label__{['bad', 'good'][row.argmax()]}" if row.max() >= cut else "?" for row in p]
    assert [row[0] for row in done.rows] == want and want.count("?") == 3
    value = in_json(here("classify", *ASKED, "-m", bag, "--threshold", cut, "--label-prefix", "__label__", "--json"))
    assert [v["label"] for v in value] == want and {e["label"] for v in value for e in v["labels"]} == {
        "__label__bad",
        "__label__good",
    }
    assert [v["probability"] for v in value] == pytest.approx(p.max(axis=1).tolist())


def test_columns_that_are_kept(here, bag, tmp_path):
    (tmp_path / "a.tsv").write_text("id\ttext\tby\n7\ta fine film\tme\n8\t\tyou\n")
    done = here("classify", "-i", "a.tsv", "-m", bag, "--keep", "id", "--keep", "by", "--header")
    assert done.rows[0] == ["label", "probability", "id", "by", "text"]
    assert [row[2:] for row in done.rows[1:]] == [["7", "me", "a fine film"], ["8", "you", ""]]
    assert list(in_json(here("classify", "-i", "a.tsv", "-m", bag, "--keep", "id", "--json"))[0]) == [
        "line", "text", "label", "probability", "labels", "id",
    ]  # fmt: skip
    (tmp_path / "gold.jsonl").write_text('{"text": "a fine film", "label": "good"}\n')
    (row,) = in_json(here("classify", "-i", "gold.jsonl", "-m", bag, "--keep", "label", "--json"))
    assert row["kept_label"] == "good" and row["label"] in ("good", "bad")
    assert one_line(here("classify", "-i", "a.tsv", "-m", bag, "--keep", "it"))
    (tmp_path / "b.jsonl").write_text('{"review": "a dull\\nday", "n": 1}\n')
    assert here("classify", "-i", "b.jsonl", "-m", bag, "--keep", "n").rows[0][2:] == ["1", "a dull\\nday"]
    with gzip.open(tmp_path / "c.csv.gz", "wt") as file:
        file.write('text,n\n"a, ""fine"" film",2\n')
    assert here("classify", "-i", "c.csv.gz", "-m", bag).rows[0][2] == 'a, "fine" film'


def test_output_goes_to_a_file(here, bag, tmp_path):
    want = here("classify", *ASKED, "-m", bag, "--header").out
    done = here("classify", *ASKED, "-m", bag, "--header", "-o", "out.tsv")
    assert done.code == 0 and done.out == "" and (tmp_path / "out.tsv").read_text() == want
    (tmp_path / "out.tsv").write_text("old")
    assert here("classify", *ASKED, "-m", tmp_path / "absent", "-o", "out.tsv").code == 4
    assert (tmp_path / "out.tsv").read_text() == "old"


RECORDS = {
    "empty": (b"", []),
    "blank": (b"\n \n\t\n\na fine film\n\n", ["", " ", "\t", "", "a fine film", ""]),
    "CRLF, no final newline": (b"a fine film\r\n\r\na dull day", ["a fine film", "", "a dull day"]),
    "NUL and controls": (b"a\0b\n\0\n\x1b[31mred\x07\vc\fd\x1ce\n", ["a\0b", "\0", "\x1b[31mred\x07\vc\fd\x1ce"]),
    "separators": ("a\x85b\u2028c\u2029d\nx\ry\n".encode(), ["a\x85b\u2028c\u2029d", "x\ry"]),
    "malformed UTF-8": (b"a\xed\xa0\x80b\n\xff\n\xe2\x80\nok\n", ["a\ufffd\ufffd\ufffdb", "\ufffd", "\ufffd", "ok"]),
    "Korean in both forms": ("좋은\n좋은\n".encode(), ["좋은", "좋은"]),
    "specials and labels": (b"<s> a </s> <unk>\n__label__good fine\n", ["<s> a </s> <unk>", "__label__good fine"]),
    "quotes, tabs": (b'"a\nb"\ta\n', ['"a', 'b"\ta']),
}


@pytest.mark.parametrize("arch", SETTINGS)
@pytest.mark.parametrize("data, records", RECORDS.values(), ids=RECORDS)
def test_every_record_is_a_row(here, places, arch, data, records):
    done = here("classify", "-m", places(arch), stdin=data)
    assert done.code == 0, done.err
    assert [row[2] for row in done.rows] == [tsv_field(record) for record in records]
    assert all(row[0] in ("good", "bad") and 0.5 <= float(row[1]) <= 1 for row in done.rows)
    values = [
        json.loads(line) for line in here("classify", "-m", places(arch), "--json", stdin=data).out.split("\n")[:-1]
    ]
    assert [(v["line"], v["text"]) for v in values] == list(enumerate(records, 1))
    assert [v["label"] for v in values] == [row[0] for row in done.rows]
    explained = here("classify", "-m", places(arch), "--explain", "--json", stdin=data)
    assert explained.code == 0 and explained.out.count("\n") == len(records)


def test_both_forms_of_korean_are_one_text(here, bag):
    rows = here("classify", "-m", bag, stdin=RECORDS["Korean in both forms"][0]).rows
    assert rows[0][:2] == rows[1][:2] and rows[0][0] == "good"


@pytest.mark.parametrize(
    "arch, line", [("bag", "a fine film " * 90_000), ("bag", "^" * 10**6), ("ngram", "a fine film " * 20_000), ("cnn", "a fine film " * 1700)],
    ids=["bag, a megabyte", "bag, a million carets", "ngram", "cnn, 5,000 words"],
)  # fmt: skip
def test_long_lines_are_classified(here, places, arch, line):
    done = here("classify", "-m", places(arch), "-q", stdin=f"{line}\na dull day\n".encode())
    assert done.code == 0 and [row[2] for row in done.rows] == [line, "a dull day"] and done.rows[1][0] == "bad"
    assert "^" in line or done.rows[0][0] == "good"


@pytest.mark.parametrize("arch", ["bag", "cnn"])
def test_order_is_kept_over_blocks(here, places, arch):
    count = 40_000 if arch == "bag" else 6_000  # several blocks, in several processes for the bag
    lines = [f"a {(GOOD + BAD)[k % 10]} {k}" for k in range(count)]
    done = here("classify", "-m", places(arch), "-q", stdin="".join(line + "\n" for line in lines).encode())
    assert [row[2] for row in done.rows] == lines
    assert np.mean([row[0] == ("good" if k % 10 < 5 else "bad") for k, row in enumerate(done.rows)]) > 0.99


def test_batches_change_no_label(here, places):
    lines = "".join(f"{text} {'and ' * (k % 40)}\n" for k, (text, _) in enumerate(PAIRS)).encode()
    one, other = (
        here("classify", "-m", places("cnn"), *more, stdin=lines).rows for more in ([], ["--batch-tokens", 64])
    )
    assert [row[0::2] for row in one] == [row[0::2] for row in other]
    assert [float(row[1]) for row in one] == pytest.approx([float(row[1]) for row in other], abs=2e-6)
    assert here("classify", "-m", places("cnn"), "--seed", 7, stdin=lines).rows == one  # nothing is drawn by chance
    done = here("classify", "a", "-m", places("bag"), "--batch-tokens", 64)
    assert done.code == 0 and "not neural models" in done.err and "--batch-tokens" in done.err


# --- calibrate, temperature, explain ----------------------------------------------------------------------------------


def test_the_temperature_changes_probabilities_alone(here, bag):
    plain, hot = (here("classify", *ASKED, "-m", bag, *more).rows for more in ([], ["--temperature", 1000]))
    assert [row[0::2] for row in plain] == [row[0::2] for row in hot] and all(float(row[1]) < 0.51 for row in hot)


def test_calibration_notes_the_fitted_temperature(here, bag, tmp_path):
    from seqcli.metrics import calibration

    (tmp_path / "j.tsv").write_text(table(JUDGED))
    done = here("classify", *ASKED, "-m", bag, "--calibrate", "j.tsv")
    opened = open_classifier(str(bag))
    logits = opened.logits("".join(f"{text}\n" for text, _ in JUDGED).encode())
    found = calibration.temperature(logits, np.array([label == "good" for _, label in JUDGED], int), pseudo_count=1)
    assert (
        done.code == 0 and f"temperature {found:.3f} (was {opened.temperature:.3f}) on {len(JUDGED)} texts" in done.err
    )
    assert done.rows == here("classify", *ASKED, "-m", bag, "--temperature", found).rows


def test_a_table_for_calibration_has_its_own_columns(here, places, tmp_path):
    both = ["-m", places("bag"), "-m", places("ngram")]
    (tmp_path / "usual.tsv").write_text(table(JUDGED))
    (tmp_path / "own.tsv").write_text(table(JUDGED, names=("x", "y")), encoding="utf-16")
    (tmp_path / "plain.txt").write_text("".join(text + "\n" for text in ASKED))
    (tmp_path / "utf-16.txt").write_text("".join(text + "\n" for text in ASKED), encoding="utf-16")
    (tmp_path / "judged.txt").write_text(
        "".join(f"__label__{label} {text}\n" for text, label in JUDGED), encoding="utf-16"
    )
    own = ["--text-column", "x", "--label-column", "y", "--encoding", "utf-16"]
    for fit in (["-m", places("bag"), "--calibrate"], [*both, "--mix"]):
        want = here("classify", "-i", "plain.txt", *fit, "usual.tsv")
        for asked in (ASKED, ["-i", "utf-16.txt"]):
            done = here("classify", *asked, *fit, "own.tsv", *own)
            assert done.code == 0 and done.rows == want.rows != [], done.err
        judged = here("classify", "--evaluate", "-i", "judged.txt", *fit, "own.tsv", *own, "--json")
        assert in_json(judged)[0]["texts"] == len(JUDGED)
    for asked in (ASKED, ["-i", "plain.txt"]):  # no file has columns
        done = here("classify", *asked, "-m", places("bag"), "--calibrate", "judged.txt", "--text-column", "x")
        assert done.code == 2 and "--text-column" in one_line(done)


@pytest.mark.parametrize("arch", ["bag", "ngram"])
def test_the_influence_of_a_word_is_the_change_without_it(here, places, arch):
    text = "a fine awful film"
    words, place = text.split(), places(arch)
    done = here("classify", text, "", "-m", place, "--explain", "--header")
    assert done.rows[0] == ["line", "index", "label", "word", "change"] and len(done.rows) == 5
    p = shares(place, [text])[0]
    best = int(p.argmax())
    left = shares(place, [" ".join(words[:k] + words[k + 1 :]) for k in range(4)])
    want = [math.log(p[best] / p[1 - best]) - math.log(row[best] / row[1 - best]) for row in left]
    assert [row[:4] for row in done.rows[1:]] == [
        ["1", str(k), ["bad", "good"][best], word] for k, word in enumerate(words)
    ]
    assert [float(row[4]) for row in done.rows[1:]] == pytest.approx(want, abs=2e-4)
    value, empty = in_json(here("classify", text, "", "-m", place, "--explain", "--json"))
    assert list(value) == ["line", "text", "label", "probability", "words", "grouped"] and value[
        "probability"
    ] == pytest.approx(p.max(), rel=1e-5)
    assert [(row["word"], row["change"]) for row in value["words"]] == [
        (w, pytest.approx(c, abs=2e-4)) for w, c in zip(words, want)
    ]
    assert empty["line"] == 2 and empty["words"] == []
    order = sorted(zip(want, words))
    assert {order[0][1], order[-1][1]} == {"fine", "awful"}  # one speaks for the label, one against
