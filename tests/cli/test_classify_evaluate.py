"""`seqcli classify --evaluate` against counts made by hand, and several classifiers asked as one."""

import json
import math
import re
import sys

import numpy as np
import pytest
from small_classifiers import ASKED, JUDGED, PAIRS, in_json, one_line, shares, table

from seqcli.tasks.classification.load import open_classifier

# --- evaluate ---------------------------------------------------------------------------------------------------------


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
    assert int(rows["confusion", "bad as good"]) == matrix[0][1] and float(rows["recall", "good"]) == pytest.approx(
        matrix[1][1] / sum(matrix[1]), abs=1e-6
    )


def test_undecided_texts_count_as_wrong(here, bag, tmp_path):
    (tmp_path / "j.tsv").write_text(table(JUDGED))
    cut = float(np.median(shares(bag, [text for text, _ in JUDGED]).max(axis=1)))
    (value,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json", "--threshold", cut))
    matrix, undecided, _ = counted(bag, JUDGED, cut)
    assert value["confusion"] == matrix and sum(undecided) > 0
    assert value["accuracy"] == pytest.approx((matrix[0][0] + matrix[1][1]) / len(JUDGED))
    assert [row["support"] for row in value["labels"]] == [sum(row) + n for row, n in zip(matrix, undecided)]
    (plain,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json"))
    assert value["calibration_error"] == plain["calibration_error"] and value["loss"] == plain["loss"]


def test_the_signature_names_model_and_temperature(here, places, texts):
    command = ["classify", "--evaluate", "-i", texts, "-m", places("cnn"), "--json"]
    exact, rough, hot = (
        in_json(here(*command, *more))[0]["signature"] for more in ([], ["--precision", "int8"], ["--temperature", 2])
    )
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
        (tmp_path / "j.jsonl").write_text(
            "".join(json.dumps({"doc": text, "is": label}) + "\n" for text, label in JUDGED)
        )
        arguments = ["-i", "j.jsonl", "--text-column", "doc", "--label-column", "is"]
    elif form == "numbers":
        (tmp_path / "j.tsv").write_text(table(JUDGED).partition("\n")[2])
        arguments = ["-i", "j.tsv", "--text-column", "#1", "--label-column", "#2"]
    else:
        (tmp_path / "j.tsv").write_text(table(JUDGED, names=("a", "b")))
        arguments = ["-i", "j.tsv", "--text-column", "a", "--label-column", "b"]
    assert in_json(here("classify", "--evaluate", *arguments, "-m", bag, "--json", stdin=stdin)) == [want]


def test_the_most_confident_mistakes(here, bag, tmp_path):
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
        assert (
            row["text"] == JUDGED[k][0]
            and row["truth"] == JUDGED[k][1] != row["label"]
            and row["probability"] == pytest.approx(share)
        )
    plain = here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--errors", 2).rows
    assert [row[3].split(" ", 1)[1] for row in plain if row[1] == "error"] == [JUDGED[k][0] for _, k in want]


def test_several_classifiers_and_a_paired_test(here, places, texts):
    done = here("classify", "--evaluate", "-i", texts, "-m", places("bag"), "-m", f"n={places('ngram')}", "--json")
    assert [value["model"] for value in in_json(done)] == ["bag", "n"]
    assert "correct only by bag: 0 texts, only by n: 0 (exact McNemar test): p = 1: no clear difference" in done.err


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
    for done in (
        here(*command, "--no-color"),
        here("classify", "a fine film", "-m", bag, "--top-k", 2, "--label-prefix", "__label__", "--no-color"),
    ):
        assert (
            done.code == 0
            and len(re.findall(r"\b(__label__)?(good|bad)\b", done.out)) == done.out.count("__label__") > 1
        )


def test_texts_of_a_single_label(here, bag, tmp_path):
    (tmp_path / "j.tsv").write_text(table([("a fine film", "good"), ("a great day", "good")]))
    (value,) = in_json(here("classify", "--evaluate", "-i", "j.tsv", "-m", bag, "--json"))
    assert value["accuracy"] == 1 and value["macro_f1"] == 1 and value["labels"][0]["support"] == 0


# --- several as one ---------------------------------------------------------------------------------------------------


def test_a_mixture_is_the_weighted_mean_of_probabilities(here, places, texts):
    both = ["-m", places("bag"), "-m", places("ngram")]
    done = here("classify", *ASKED, *both, "--mix", "0.3,0.7", "--json")
    want = 0.3 * shares(places("bag"), ASKED) + 0.7 * shares(places("ngram"), ASKED)
    for value, p in zip(in_json(done), want, strict=True):
        assert {each["label"]: each["probability"] for each in value["labels"]} == {
            "bad": pytest.approx(p[0]),
            "good": pytest.approx(p[1]),
        }
    fitted = here("classify", *ASKED, *both, "--mix", texts)
    assert fitted.code == 0 and len(fitted.rows) == len(ASKED) and "mix: " in fitted.err


def test_classifiers_that_cannot_be_mixed(here, bag, places, texts, tmp_path):
    for arguments in (
        ["-m", bag, "--mix", "1"],
        ["-m", bag, "-m", bag, "--mix", "0.2,0.3,0.5"],
        ["-m", bag, "-m", bag, "--mix", "a,b"],
    ):
        assert here("classify", "a", *arguments).code in (2, 3)
    (tmp_path / "other.tsv").write_text(table([*PAIRS, ("a film", "so so"), ("a day", "so so")]))
    assert (
        here("train", "classifier", "other.tsv", "-o", "other", "--arch", "ngram", "--tokenizer", "words", "-q").code
        == 0
    )
    done = here("classify", "a", "-m", bag, "-m", "other", "--mix", "0.5,0.5")
    assert done.code == 4 and "labels" in one_line(done)


# --- names of labels --------------------------------------------------------------------------------------------------


def test_labels_can_be_renamed_in_the_texts_and_in_the_model(here, bag, tmp_path):
    """The figures are those of a file in which the labels are written so."""
    (tmp_path / "named.tsv").write_text(table(JUDGED))
    numbers = {"good": "1", "bad": "0"}
    (tmp_path / "numbered.tsv").write_text(table([(text, numbers[label]) for text, label in JUDGED]))
    expected = in_json(here("classify", "-m", bag, "--evaluate", "-i", "named.tsv", "--json"))
    mapped = here("classify", "-m", bag, "--evaluate", "-i", "numbered.tsv", "--json", "--label-map", "0=bad, 1 = good")
    assert in_json(mapped) == expected and "--label-map" not in mapped.err
    both = here("classify", "-m", bag, "--evaluate", "-i", "named.tsv", "--json", "--label-map", "bad=x,good=y")
    (figures,) = in_json(both)
    assert [row["label"] for row in figures["labels"]] == ["x", "y"]
    assert figures["confusion"] == expected[0]["confusion"] and figures["loss"] == expected[0]["loss"]
    assert here("classify", "-m", bag, "a fine film", "--label-map", "good=y").rows[0][0] == "y"
    fitted = [here("classify", "-m", bag, "a", "--calibrate", name, *more) for name, *more in (
        ("named.tsv",), ("numbered.tsv", "--label-map", "0=bad,1=good"))]  # fmt: skip
    assert fitted[0].code == fitted[1].code == 0 and fitted[0].out == fitted[1].out


def test_a_renaming_of_labels_that_nothing_has_gets_a_note(here, bag):
    done = here("classify", "-m", bag, "a fine film", "--label-map", "7=seven")
    assert done.code == 0 and "neither the texts nor the model have 7" in done.err
    for wrong in ("0", "0=", "=a", "0=a,0=b", "", "bad=a,good=a"):
        refused = here("classify", "-m", bag, "a", "--label-map", wrong)
        assert refused.code == 2 and refused.out == "" and "--label-map" in refused.err


def test_training_uses_the_renamed_labels(here, tmp_path):
    """Trained with --label-map, a classifier is the one that is trained on texts labelled so, whatever its held-out texts are called."""
    numbers = {"bad": "0", "good": "1"}
    (tmp_path / "named.tsv").write_text(table(PAIRS))
    (tmp_path / "numbered.tsv").write_text(table([(text, numbers[label]) for text, label in PAIRS]))
    mapped = ["--label-map", "0=bad,1=good,7=seven"]
    for name, valid, more in (("named", "named", []), ("numbered", "numbered", mapped)):
        command = ["train", "classifier", f"{name}.tsv", "--valid", f"{valid}.tsv", "-o", f"m-{name}", *more]
        assert (done := here(*command)).code == 0, done.err
    assert "--label-map: no text has the label 7" in done.err
    named, numbered = (json.loads(here("info", f"m-{name}", "--json").out) for name in ("named", "numbered"))
    assert numbered["labels"] == named["labels"] == ["bad", "good"] and numbered["valid"] == named["valid"]
    assert here("classify", *ASKED, "-m", "m-numbered").out == here("classify", *ASKED, "-m", "m-named").out


# --- labels that the classifier does not have -------------------------------------------------------------------------

STRANGE = [("a strange film", "odd"), ("a good day", "so so"), ("another", "odd")]


def test_texts_with_unknown_labels_are_left_out_of_calibration_and_mixing(here, places, tmp_path):
    """Temperatures and weights are those of the file without these texts, and a note counts them."""
    (tmp_path / "known.tsv").write_text(table(JUDGED))
    (tmp_path / "more.tsv").write_text(table([STRANGE[0], *JUDGED, *STRANGE[1:]]))
    both = ["-m", places("bag"), "-m", places("ngram"), "--mix"]
    for fit in (["-m", places("bag"), "--calibrate"], both):
        known, more = (here("classify", *ASKED, *fit, name) for name in ("known.tsv", "more.tsv"))
        assert more.code == 0 and more.rows == known.rows != []
        assert "more.tsv: 3 texts have labels unknown to" in more.err and "left out: odd, so so" in more.err
        assert "unknown" not in known.err


@pytest.mark.parametrize(
    "how", [["bag"], ["cnn", "--tokenizer", "words", "--steps", 2, "--threads", 1]], ids=["counted", "network"]
)
def test_held_out_texts_with_unknown_labels_are_wrong_and_have_no_loss(here, tmp_path, how):
    (tmp_path / "train.tsv").write_text(table(PAIRS))
    (tmp_path / "known.tsv").write_text(table(JUDGED))
    (tmp_path / "more.tsv").write_text(table([*JUDGED, *STRANGE]))
    valid = {}
    for name in ("known", "more"):
        done = here("train", "classifier", "train.tsv", "--valid", f"{name}.tsv", "-o", name, "--arch", *how)
        assert done.code == 0, done.err
        valid[name] = json.loads(here("info", name, "--json").out)["valid"]
    assert "more.tsv: 3 texts have labels unknown to the training data" in done.err and "odd, so so" in done.err
    known, more = valid["known"], valid["more"]
    assert more["texts"] == len(JUDGED) + 3 and more["loss"] == pytest.approx(known["loss"])
    assert more["accuracy"] == pytest.approx(known["accuracy"] * len(JUDGED) / (len(JUDGED) + 3))
    (judged,) = in_json(here("classify", "--evaluate", "-i", "more.tsv", "-m", "more", "--json"))
    same = ("accuracy", "macro_f1")
    assert [more[name] for name in same] == [pytest.approx(judged[name]) for name in same]


def test_evaluation_leaves_unknown_labels_out_of_the_loss(here, places, tmp_path):
    """The loss is that of the file without these texts, and nothing where no text has another."""
    for name, texts in (("known", JUDGED), ("more", [*JUDGED, *STRANGE]), ("strange", STRANGE)):
        (tmp_path / f"{name}.tsv").write_text(table(texts))
    command = ["classify", "--evaluate", "-m", places("bag"), "-i"]
    known, more, strange = (
        in_json(here(*command, f"{name}.tsv", "--json"))[0] for name in ("known", "more", "strange")
    )
    assert more["loss"] == pytest.approx(known["loss"]) and strange["loss"] is None and strange["accuracy"] == 0
    (loss,) = (row for row in here(*command, "strange.tsv").rows if row[1] == "loss")
    assert loss[3] == ""
