"""`seqcli classify`: rows and their columns, its figures against counts made by hand, and what is refused.

The classifiers are three small ones, made once: a bag (no tokenizer), n-grams, and a network.
"""

import gzip
import json
import math
import re
import sys

import numpy as np
import pytest

from seqcli.interfaces import SILENT
from seqcli.runs import drafting
from seqcli.tasks import classification
from seqcli.tasks.classification import Given, LabelledFiles, Texts, open_classifier
from seqcli.tasks.language import TokenizerChoice
from seqcli.text import nfc, tsv_field
from seqcli.training.request import Request

GOOD, BAD = ("fine", "great", "lovely", "좋은", "멋진"), ("dull", "poor", "awful", "나쁜", "지루한")
THINGS = ("film", "book", "day", "song", "영화", "노래")
PAIRS = [(f"a {how} {what}", label) for label, hows in (("good", GOOD), ("bad", BAD)) for how in hows for what in THINGS]
ASKED = ["a fine film", "", "a dull day", "nothing known zzz", "좋은 영화", "a fine, awful film"]
SETTINGS = {
    "bag": {"buckets": 4096, "longest": 0},
    "ngram": {"order": 2},
    "cnn": {"embedding": 8, "filters": 8, "steps": 40, "learning_rate": 0.02, "batch_tokens": 256},
}


def table(pairs, names=("text", "label")) -> str:
    return "\t".join(names) + "\n" + "".join(f"{text}\t{label}\n" for text, label in pairs)


def trained(folder, path, arch: str):
    """Judged on texts of which every sixth has the wrong label, so that it is sure of nothing."""
    texts = LabelledFiles((str(path),)).read()
    wrong = Texts(texts.data, texts.targets ^ (np.arange(len(texts)) % 6 == 0), texts.labels)
    request = Request("classification", arch, "tiny", (("test", SETTINGS[arch]),), device="cpu", precision="fp32", threads=1)
    with drafting(folder) as draft:
        given = Given(texts, wrong, (str(path),), threads=1)
        return classification.train(draft, given, TokenizerChoice("words"), request, reporter=SILENT).opened


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of classifiers by architecture, made when first asked for; `texts.tsv` is what they learnt from."""
    folder = tmp_path_factory.mktemp("classifiers")
    (folder / "texts.tsv").write_text(table(PAIRS), encoding="utf-8")

    def made(arch: str):
        if not (folder / arch).exists():
            trained(folder / arch, folder / "texts.tsv", arch)
        return folder / arch

    return made


@pytest.fixture(scope="module")
def bag(places):
    return places("bag")


@pytest.fixture
def texts(bag):
    return bag.parent / "texts.tsv"


def shares(place, records: list[str]) -> np.ndarray:
    lines = "".join(nfc(record.replace("\n", " ")) + "\n" for record in records).encode()
    return open_classifier(str(place)).probabilities(lines)


def in_json(done) -> list[dict]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def one_line(done, *, command: str = "classify") -> str:
    """The error of a command that printed nothing else."""
    assert done.out == "" and done.err.count("\n") == 1 and done.err.startswith(f"seqcli {command}: error: "), done.err
    return done.err


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
        assert {each["label"]: each["probability"] for each in value["labels"]} == {"bad": pytest.approx(p[0]), "good": pytest.approx(p[1])}
    assert [len(value["labels"]) for value in in_json(here("classify", *ASKED, "-m", bag, "--json", "--top-k", 1))] == [1] * len(ASKED)
    assert here("classify", *ASKED, "-m", bag, "--top-k", 9).rows == here("classify", *ASKED, "-m", bag).rows


def test_below_the_threshold_is_a_question_mark(here, bag):
    p = shares(bag, ASKED)
    cut = float(np.sort(p.max(axis=1))[2]) + 1e-9
    done = here("classify", *ASKED, "-m", bag, "--threshold", cut, "--label-prefix", "__label__")
    want = [f"__label__{['bad', 'good'][row.argmax()]}" if row.max() >= cut else "?" for row in p]
    assert [row[0] for row in done.rows] == want and want.count("?") == 3
    value = in_json(here("classify", *ASKED, "-m", bag, "--threshold", cut, "--label-prefix", "__label__", "--json"))
    assert [v["label"] for v in value] == want and {e["label"] for v in value for e in v["labels"]} == {"__label__bad", "__label__good"}
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
    values = [json.loads(line) for line in here("classify", "-m", places(arch), "--json", stdin=data).out.split("\n")[:-1]]
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
def test_long_lines_are_answered(here, places, arch, line):
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
    one, other = (here("classify", "-m", places("cnn"), *more, stdin=lines).rows for more in ([], ["--batch-tokens", 64]))
    assert [row[0::2] for row in one] == [row[0::2] for row in other]
    assert [float(row[1]) for row in one] == pytest.approx([float(row[1]) for row in other], abs=2e-6)
    assert here("classify", "-m", places("cnn"), "--seed", 7, stdin=lines).rows == one  # nothing is drawn by chance
    done = here("classify", "a", "-m", places("bag"), "--batch-tokens", 64)
    assert done.code == 0 and "no networks" in done.err and "--batch-tokens" in done.err


# --- evaluate ---------------------------------------------------------------------------------------------------------

JUDGED = [*PAIRS[:6], *PAIRS[30:38], ("a fine book", "bad"), ("an awful film", "good"), ("a poor, poor day", "good"), ("", "bad")]


def counted(place, pairs, threshold=0.0):
    """confusion, undecided, p of the truth, predictions: made one text after another."""
    p = shares(place, [text for text, _ in pairs])
    table, undecided = [[0, 0], [0, 0]], [0, 0]
    for row, (_, label) in zip(p, pairs):
        truth, best = ["bad", "good"].index(label), int(row.argmax())
        if row[best] < threshold:
            undecided[truth] += 1
        else:
            table[truth][best] += 1
    return table, undecided, p


def test_figures_by_hand(here, bag, tmp_path):
    (tmp_path / "j.tsv").write_text(table(JUDGED))
    (value,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json"))
    matrix, _, p = counted(bag, JUDGED)
    right = matrix[0][0] + matrix[1][1]
    assert value["model"] == "bag" and value["confusion"] == matrix and right < len(JUDGED)
    assert value["accuracy"] == pytest.approx(right / len(JUDGED))
    f1 = []
    for k, row in enumerate(value["labels"]):
        called, true = matrix[0][k] + matrix[1][k], sum(matrix[k])
        precision, recall = matrix[k][k] / called, matrix[k][k] / true
        f1.append(2 * precision * recall / (precision + recall))
        assert row["label"] == ["bad", "good"][k] and row["support"] == true
        assert [row["precision"], row["recall"], row["f1"]] == pytest.approx([precision, recall, f1[-1]])
    assert value["macro_f1"] == pytest.approx(sum(f1) / 2)
    truth = [["bad", "good"].index(label) for _, label in JUDGED]
    assert value["loss"] == pytest.approx(-np.mean([math.log(row[k]) for row, k in zip(p, truth)]), rel=1e-4)
    assert "signature" in value and value["temperature"] == pytest.approx(open_classifier(str(bag)).temperature)
    plain = here("classify", "--evaluate", "-i", "j.tsv", "-m", bag)
    assert plain.code == 0 and all(row[0] == "bag" and len(row) == 4 for row in plain.rows)
    rows = {(row[1], row[2]): row[3] for row in plain.rows}
    assert float(rows["accuracy", ""]) == pytest.approx(value["accuracy"], abs=1e-6)
    assert int(rows["confusion", "bad as good"]) == matrix[0][1] and float(rows["recall", "good"]) == pytest.approx(matrix[1][1] / sum(matrix[1]), abs=1e-6)


def test_undecided_texts_are_wrong_and_called_nothing(here, bag, tmp_path):
    (tmp_path / "j.tsv").write_text(table(JUDGED))
    cut = float(np.median(shares(bag, [text for text, _ in JUDGED]).max(axis=1)))
    (value,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json", "--threshold", cut))
    matrix, undecided, _ = counted(bag, JUDGED, cut)
    assert value["confusion"] == matrix and sum(undecided) > 0
    assert value["accuracy"] == pytest.approx((matrix[0][0] + matrix[1][1]) / len(JUDGED))
    assert [row["support"] for row in value["labels"]] == [sum(row) + n for row, n in zip(matrix, undecided)]
    (plain,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json"))
    assert value["calibration_error"] == plain["calibration_error"] and value["loss"] == plain["loss"]


def test_the_signature_says_how_the_answers_were_made(here, places, texts):
    command = ["classify", "--evaluate", "-i", texts, "-m", places("cnn"), "--json"]
    exact, rough, hot = (in_json(here(*command, *more))[0]["signature"] for more in ([], ["--precision", "int8"], ["--temperature", 2]))
    how = open_classifier(str(places("cnn"))).signature
    assert exact.split("|n:")[0] == how.split("|v:")[0] and f"|n:{len(PAIRS)}|" in exact and "|labels:2|" in exact
    assert rough == exact.replace("|prec:fp32|", "|prec:int8|") != exact and "|temp:2|" in hot


@pytest.mark.parametrize("form", ["tsv", "fasttext", "jsonl", "numbers", "stdin"])
def test_labels_come_in_many_forms(here, bag, tmp_path, form):
    (tmp_path / "j.tsv").write_text(table(JUDGED))
    (want,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json"))
    lines = "".join(f"__label__{label} {text}\n" for text, label in JUDGED)
    arguments, stdin = ["-i", "j.txt"], b""
    if form == "fasttext":
        (tmp_path / "j.txt").write_text(lines)
    elif form == "stdin":
        arguments, stdin = [], lines.encode()
    elif form == "jsonl":
        (tmp_path / "j.jsonl").write_text("".join(json.dumps({"doc": text, "is": label}) + "\n" for text, label in JUDGED))
        arguments = ["-i", "j.jsonl", "--text-column", "doc", "--label-column", "is"]
    elif form == "numbers":
        (tmp_path / "j.tsv").write_text(table(JUDGED).partition("\n")[2])
        arguments = ["-i", "j.tsv", "--text-column", "#1", "--label-column", "#2"]
    else:
        (tmp_path / "j.tsv").write_text(table(JUDGED, names=("a", "b")))
        arguments = ["-i", "j.tsv", "--text-column", "a", "--label-column", "b"]
    assert in_json(here("classify", "--evaluate", *arguments, "-m", bag, "--json", stdin=stdin)) == [want]


def test_the_surest_mistakes(here, bag, tmp_path):
    (tmp_path / "j.tsv").write_text(table(JUDGED))
    (value,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json", "--errors", 2))
    p = shares(bag, [text for text, _ in JUDGED])
    wrong = [
        (row.max(), k) for k, (row, (_, label)) in enumerate(zip(p, JUDGED)) if ["bad", "good"][row.argmax()] != label
    ]
    assert len(wrong) > 2
    want = sorted(wrong, key=lambda each: (-each[0], each[1]))[:2]
    assert [row["line"] for row in value["errors"]] == [k + 1 for _, k in want]
    for row, (share, k) in zip(value["errors"], want):
        assert row["text"] == JUDGED[k][0] and row["truth"] == JUDGED[k][1] != row["label"] and row["probability"] == pytest.approx(share)
    plain = here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--errors", 2).rows
    assert [row[3].split(" ", 1)[1] for row in plain if row[1] == "error"] == [JUDGED[k][0] for _, k in want]


def test_several_classifiers_and_a_paired_test(here, places, texts):
    done = here("classify", "--evaluate", "-i", texts, "-m", places("bag"), "-m", f"n={places('ngram')}", "--json")
    assert [value["model"] for value in in_json(done)] == ["bag", "n"]
    assert "bag alone is right about 0 texts, n alone about 0 (McNemar, exact): p = 1: no clear difference" in done.err


def test_figures_have_a_header(here, bag, texts):
    plain = here("classify", "--evaluate", "-i", texts, "-m", bag, "-m", f"again={bag}").rows
    done = here("classify", "--evaluate", "-i", texts, "-m", bag, "-m", f"again={bag}", "--header")
    assert done.rows == [["model", "figure", "label", "value"], *plain]


def test_the_prefix_stands_before_every_label(here, bag, tmp_path, monkeypatch):
    (tmp_path / "j.tsv").write_text(table(JUDGED))
    command = ["classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--errors", 1, "--label-prefix", "__label__"]
    (value,) = in_json(here(*command, "--json"))
    both = {"__label__bad", "__label__good"}
    assert {row["label"] for row in value["labels"]} == both and value["majority_label"] in both
    assert {value["errors"][0]["truth"], value["errors"][0]["label"]} == both
    named = {word for row in here(*command).rows for word in row[2].split() if word != "as"}
    assert named == both
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for done in (here(*command, "--no-color"), here("classify", "a fine film", "-m", bag, "--top-k", 2, "--label-prefix", "__label__", "--no-color")):
        assert done.code == 0 and len(re.findall(r"\b(__label__)?(good|bad)\b", done.out)) == done.out.count("__label__") > 1


def test_one_label_can_be_judged(here, bag, tmp_path):
    (tmp_path / "j.tsv").write_text(table([("a fine film", "good"), ("a great day", "good")]))
    (value,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json"))
    assert value["accuracy"] == 1 and value["macro_f1"] == 1 and value["labels"][0]["support"] == 0


# --- calibrate, temperature, explain ----------------------------------------------------------------------------------


def test_the_temperature_changes_probabilities_alone(here, bag):
    plain, hot = (here("classify", *ASKED, "-m", bag, *more).rows for more in ([], ["--temperature", 1000]))
    assert [row[0::2] for row in plain] == [row[0::2] for row in hot] and all(float(row[1]) < 0.51 for row in hot)


def test_calibrated_it_says_what_it_found(here, bag, tmp_path):
    from seqcli.metrics import calibration

    (tmp_path / "j.tsv").write_text(table(JUDGED))
    done = here("classify", *ASKED, "-m", bag, "--calibrate", "j.tsv")
    opened = open_classifier(str(bag))
    logits = opened.logits("".join(f"{text}\n" for text, _ in JUDGED).encode())
    found = calibration.temperature(logits, np.array([label == "good" for _, label in JUDGED], int), pseudo_count=1)
    assert done.code == 0 and f"temperature {found:.3f} (was {opened.temperature:.3f}) on {len(JUDGED)} texts" in done.err
    assert done.rows == here("classify", *ASKED, "-m", bag, "--temperature", found).rows


def test_a_table_to_fit_to_has_columns_of_its_own(here, places, tmp_path):
    both = ["-m", places("bag"), "-m", places("ngram")]
    (tmp_path / "usual.tsv").write_text(table(JUDGED))
    (tmp_path / "own.tsv").write_text(table(JUDGED, names=("x", "y")), encoding="utf-16")
    (tmp_path / "plain.txt").write_text("".join(text + "\n" for text in ASKED))
    (tmp_path / "utf-16.txt").write_text("".join(text + "\n" for text in ASKED), encoding="utf-16")
    (tmp_path / "judged.txt").write_text("".join(f"__label__{label} {text}\n" for text, label in JUDGED), encoding="utf-16")
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
def test_a_word_is_worth_what_goes_with_it(here, places, arch):
    text = "a fine awful film"
    words, place = text.split(), places(arch)
    done = here("classify", text, "", "-m", place, "--explain", "--header")
    assert done.rows[0] == ["line", "index", "label", "word", "change"] and len(done.rows) == 5
    p = shares(place, [text])[0]
    best = int(p.argmax())
    left = shares(place, [" ".join(words[:k] + words[k + 1 :]) for k in range(4)])
    want = [math.log(p[best] / p[1 - best]) - math.log(row[best] / row[1 - best]) for row in left]
    assert [row[:4] for row in done.rows[1:]] == [["1", str(k), ["bad", "good"][best], word] for k, word in enumerate(words)]
    assert [float(row[4]) for row in done.rows[1:]] == pytest.approx(want, abs=2e-4)
    value, empty = in_json(here("classify", text, "", "-m", place, "--explain", "--json"))
    assert list(value) == ["line", "text", "label", "probability", "words"] and value["probability"] == pytest.approx(p.max(), rel=1e-5)
    assert [(row["word"], row["change"]) for row in value["words"]] == [(w, pytest.approx(c, abs=2e-4)) for w, c in zip(words, want)]
    assert empty["line"] == 2 and empty["words"] == []
    order = sorted(zip(want, words))
    assert {order[0][1], order[-1][1]} == {"fine", "awful"}  # one speaks for the label, one against


# --- several as one ---------------------------------------------------------------------------------------------------


def test_a_mixture_is_the_mean_of_its_shares(here, places, texts):
    both = ["-m", places("bag"), "-m", places("ngram")]
    done = here("classify", *ASKED, *both, "--mix", "0.3,0.7", "--json")
    want = 0.3 * shares(places("bag"), ASKED) + 0.7 * shares(places("ngram"), ASKED)
    for value, p in zip(in_json(done), want, strict=True):
        assert {each["label"]: each["probability"] for each in value["labels"]} == {"bad": pytest.approx(p[0]), "good": pytest.approx(p[1])}
    fitted = here("classify", *ASKED, *both, "--mix", texts)
    assert fitted.code == 0 and len(fitted.rows) == len(ASKED) and "mix: " in fitted.err


def test_what_cannot_be_mixed(here, bag, places, texts, tmp_path):
    for arguments in (["-m", bag, "--mix", "1"], ["-m", bag, "-m", bag, "--mix", "0.2,0.3,0.5"], ["-m", bag, "-m", bag, "--mix", "a,b"]):
        assert here("classify", "a", *arguments).code in (2, 3)
    (tmp_path / "other.tsv").write_text(table([*PAIRS, ("a film", "so so"), ("a day", "so so")]))
    assert here("train", "classifier", "other.tsv", "-o", "other", "--arch", "ngram", "--tokenizer", "words", "-q").code == 0
    done = here("classify", "a", "-m", bag, "-m", "other", "--mix", "0.5,0.5")
    assert done.code == 4 and "labels" in one_line(done)


# --- what is refused --------------------------------------------------------------------------------------------------

USAGE = {
    "top-k of an evaluation": (["--evaluate", "-i", "TEXTS", "--top-k", 2], "--top-k"),
    "texts of an evaluation": (["--evaluate", "a text"], "--input"),
    "columns kept by an evaluation": (["--evaluate", "-i", "TEXTS", "--keep", "a"], "--keep"),
    "two modes": (["--evaluate", "-i", "TEXTS", "--explain"], "--explain"),
    "errors of nothing": (["a", "--errors", 3], "--evaluate"),
    "errors of what is fitted to": (["a", "--errors", 3, "--calibrate", "TEXTS"], "--evaluate"),
    "labels of nothing": (["a", "--label-column", "x"], "--evaluate"),
    "labels of weights": (["a", "-m", "BAG", "--mix", "0.5,0.5", "--label-column", "x"], "--evaluate"),
    "several side by side": (["a", "-m", "BAG"], "--evaluate"),
    "two temperatures": (["a", "--temperature", 2, "--calibrate", "TEXTS"], "--calibrate"),
    "top-k of an explanation": (["a", "--explain", "--top-k", 2], "--top-k"),
    "no label": (["a", "--top-k", 0], "--top-k"),
    "threshold": (["a", "--threshold", 1.5], "--threshold"),
    "no number": (["a", "--threshold", "nan"], "--threshold"),
    "negative": (["a", "--temperature", -1], "--temperature"),
    "misspelt": (["a", "--tresholds", 1], "--threshold"),
    "columns of lines": (["-i", "plain.txt", "--text-column", "a"], ".tsv"),
    "unknown text column": (["-i", "TEXTS", "--text-column", "txet"], "text"),
    "unknown label column": (["--evaluate", "-i", "TEXTS", "--label-column", "lable"], "label"),
    "label column of lines": (["--evaluate", "-i", "plain.txt", "--label-column", "x"], ".tsv"),
}  # fmt: skip


@pytest.mark.parametrize("arguments, cure", USAGE.values(), ids=USAGE)
def test_2_what_cannot_be_meant(here, bag, texts, tmp_path, arguments, cure):
    (tmp_path / "plain.txt").write_text("a\n")
    done = here("classify", *({"TEXTS": texts, "BAG": bag}.get(each, each) for each in arguments), "-m", bag)
    assert done.code == 2 and cure in one_line(done)


UNHEARD = {
    "metric of one bag": ["--metric", "macro_f1"],
    "metric of one ngram": ["--arch", "ngram", "--metric", "accuracy"],
    "tokenizer of a bag": ["--tokenizer", "words"],
    "vocabulary of a bag": ["--vocab-size", 100],
    "rare words of a bag": ["--min-count", 2],
    "runs of an ngram": ["--arch", "ngram", "--runs", 3],
    "vocabulary of a body": ["--arch", "lstm", "--init", "there", "--vocab-size", 100],
}  # fmt: skip


@pytest.mark.parametrize("arguments", UNHEARD.values(), ids=UNHEARD)
def test_2_what_says_nothing_to_a_training(here, texts, tmp_path, arguments):
    done = here("train", "classifier", texts, "-o", "new", *arguments)
    assert done.code == 2 and arguments[-2] in one_line(done, command="train classifier") and not list(tmp_path.iterdir())


INPUT = {
    "no label": ("a.tsv", "text\tlabel\na\tgood\nb\t\nc\tbad\n", "line 3"),
    "no label on a line": ("a.txt", "__label__good a\nb\n__label__bad c\n", "line 2"),
    "two labels on a line": ("a.txt", "__label__good __label__bad a\n__label__bad b\n", "several labels"),
    "a label with a tab": ("a.jsonl", '{"text": "a", "label": "go\\tod"}\n{"text": "b", "label": "bad"}\n', "control character"),
    "a label null": ("a.jsonl", '{"text": "a", "label": null}\n{"text": "b", "label": "bad"}\n', "no label"),
    "nothing": ("a.tsv", "text\tlabel\n", "no texts"),
    "nothing at all": ("a.txt", "", "no texts"),
}  # fmt: skip


@pytest.mark.parametrize("name, data, says", INPUT.values(), ids=INPUT)
def test_3_labels_that_are_none(here, bag, tmp_path, name, data, says):
    (tmp_path / name).write_text(data)
    done = here("classify", "--evaluate", "-i", name, "-m", bag)
    assert done.code == 3 and says in one_line(done) and name in done.err
    done = here("train", "classifier", name, "-o", "new")
    assert done.code == 3 and says in one_line(done, command="train classifier") and not (tmp_path / "new").exists()


def test_3_labels_of_another_model_and_texts_that_are_none(here, bag, tmp_path):
    (tmp_path / "a.tsv").write_text(table([("a", "goood"), ("b", "bad")]))
    assert "'good'" in one_line(done := here("classify", "--evaluate", "-i", "a.tsv", "-m", bag)) and done.code == 3
    (tmp_path / "b.tsv").write_text(table([("a", "good"), ("b", "good")]))
    done = here("train", "classifier", "b.tsv", "-o", "new")
    assert done.code == 3 and "only one label, 'good'" in one_line(done, command="train classifier")
    (tmp_path / "c.tsv").write_text(table([("a", "good"), ("b", "bad"), ("c", "bad")]))
    done = here("train", "classifier", "c.tsv", "-o", "new", "--valid", "a.tsv")
    assert done.code == 3 and "goood" in one_line(done, command="train classifier") and not (tmp_path / "new").exists()
    assert here("classify", "-i", "absent.tsv", "-m", bag).code == 3
    assert here("classify", "-i", str(tmp_path), "-m", bag).code == 3
    assert here("classify", "--calibrate", "absent.tsv", "a", "-m", bag).code == 3


def test_4_models_of_another_task(here, bag, model, texts, tmp_path):
    for arguments in (["a"], ["--evaluate", "-i", texts], ["a", "--explain"]):
        done = here("classify", *arguments, "-m", model)
        assert done.code == 4 and "language" in one_line(done)
    assert (done := here("score", "a", "-m", bag)).code == 4 and "classification" in one_line(done, command="score")
    assert (done := here("generate", "a", "-m", bag)).code == 4 and one_line(done, command="generate")
    assert here("classify", "a", "-m", tmp_path / "absent").code == 4
    (tmp_path / "empty").mkdir()
    assert here("classify", "a", "-m", tmp_path / "empty").code == 4


def test_4_settings_that_lie(here, places, tmp_path):
    import shutil

    for arch in SETTINGS:
        for name, value in (("seconds", 1), ("labels", ["good"]), ("labels", ["good", "good"]), ("labels", ["a", "b", "c"]), ("labels", 3),
                            ("settings", {}), ("module", "../../x"), ("valid", {"temperature": 0})):  # fmt: skip
            shutil.rmtree(tmp_path / "m", ignore_errors=True)
            shutil.copytree(places(arch), tmp_path / "m")
            (state,) = (tmp_path / "m").glob("state-*/config.json")
            text = json.dumps({**json.loads(state.read_text()), name: value})
            manifest = json.loads((tmp_path / "m/manifest.json").read_text())
            state.write_text(text)
            (tmp_path / "m/manifest.json").write_text(json.dumps(_sized(manifest, "config.json", text.encode())))
            if arch == "bag" and name == "settings":
                continue  # its defaults may be meant
            done = here("classify", "a", "-m", "m")
            if name == "seconds":  # nobody asks for it
                assert done.code == 0
                continue
            assert done.code == 4 and one_line(done), (arch, name, done)


def _sized(manifest, name: str, data: bytes):
    """The manifest as if the file had always been this one."""
    import hashlib

    if isinstance(manifest, dict):
        return {
            key: ({**value, "size": len(data), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} if key == name and isinstance(value, dict) else _sized(value, name, data))
            for key, value in manifest.items()
        }  # fmt: skip
    return manifest


# --- what is imported -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["bag", "ngram"])
def test_what_is_counted_needs_no_torch(environment, places, texts, tmp_path, arch):
    import subprocess
    import sys

    code = (
        "import sys; from seqcli import cli\n"
        f"runs = [['classify', 'a', '-m', {str(places(arch))!r}], ['classify', 'a', '-m', {str(places(arch))!r}, '--explain', '--json'],\n"
        f"    ['classify', '--evaluate', '-i', {str(texts)!r}, '-m', {str(places(arch))!r}],\n"
        f"    ['train', 'classifier', {str(texts)!r}, '-o', 'new', '--arch', {arch!r}, '--preset', 'tiny', '-q', '--threads', '1']]\n"
        "codes = [cli.run(run) for run in runs if not (cli.app.registered_commands.clear() or cli.app.registered_groups.clear())]\n"
        "print('codes', codes, *sorted(set(sys.modules) & {'torch', 'rich', 'sentencepiece', 'pyarrow', 'datasets', 'matplotlib'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("codes [0, 0, 0, 0]"), done.stderr
    assert not set(said.split("]")[1].split()) & ({"torch", "rich", "pyarrow", "datasets", "matplotlib"} | ({"sentencepiece"} if arch == "bag" else set()))
