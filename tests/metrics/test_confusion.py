"""metrics/confusion: the figures by their definitions, counted text by text."""

import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli import __version__
from seqcli.metrics.confusion import Report, confusion, paired, report, undecided
from seqcli.metrics.signature import of_classifier
from seqcli.metrics.significance import wilson
from seqcli.results.classification import Evaluation

C = 4
ROWS = st.lists(st.tuples(st.integers(0, C - 1), st.integers(-1, C - 1)), min_size=1, max_size=30)


def judged(rows) -> Report:
    targets, predicted = np.array(rows, np.int32).reshape(-1, 2).T
    return report(targets, predicted, classes=C)


def share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


@given(ROWS)
def test_figures_counted_text_by_text(rows):
    made = judged(rows)
    right = sum(truth == said for truth, said in rows)
    assert made.texts == len(rows) and made.correct == right and made.accuracy == pytest.approx(right / len(rows))
    assert made.interval() == wilson(right, len(rows)) and made.interval()[0] <= made.accuracy <= made.interval()[1]
    assert made.undecided == sum(said == -1 for _, said in rows)
    scores = []
    for label in range(C):
        hits = rows.count((label, label))
        called, true = sum(said == label for _, said in rows), sum(truth == label for truth, _ in rows)
        precision, recall = share(hits, called), share(hits, true)
        f1 = share(2 * precision * recall, precision + recall)
        assert made.precision[label] == pytest.approx(float(precision)) and made.recall[label] == pytest.approx(
            float(recall)
        )
        assert made.f1[label] == pytest.approx(float(f1)) and made.support[label] == true
        scores += [f1] if called or true else []
        assert [made.confusion[label, said] for said in range(C)] == [rows.count((label, said)) for said in range(C)]
    assert made.macro_f1 == pytest.approx(float(sum(scores) / len(scores)))
    assert made.baseline == max(sum(truth == label for truth, _ in rows) for label in range(C)) / len(rows)


@given(ROWS, ROWS)
def test_matrices_of_parts_add_up(first, second):
    a, b, both = judged(first), judged(second), judged(first + second)
    assert np.array_equal(a.confusion + b.confusion, both.confusion)
    assert np.array_equal(a.undecided_by_label + b.undecided_by_label, both.undecided_by_label)


@given(ROWS, st.permutations(range(C)))
def test_the_names_of_labels_do_not_matter(rows, order):
    turned = judged([(order[truth], order[said] if said >= 0 else -1) for truth, said in rows])
    made = judged(rows)
    assert turned.accuracy == made.accuracy and turned.macro_f1 == pytest.approx(made.macro_f1)
    assert np.array_equal(turned.f1[list(order)], made.f1)


def test_by_hand():
    """scikit-learn 1.x gives the same precision, recall, F1 and macro F1."""
    made = Report(np.array([[8, 2, 0], [1, 4, 0], [0, 0, 0]]), np.zeros(3, np.int64))
    assert made.accuracy == 12 / 15 and made.majority == 0 and made.baseline == 10 / 15
    assert made.precision.tolist() == [8 / 9, 4 / 6, 0] and made.recall.tolist() == [0.8, 0.8, 0]
    assert made.f1.tolist() == pytest.approx([16 / 19, 8 / 11, 0])
    assert made.macro_f1 == pytest.approx((16 / 19 + 8 / 11) / 2)  # the third label does not occur


def test_below_the_threshold_is_wrong_but_no_false_alarm():
    made = report([0, 0, 1, 1], [0, -1, 1, -1], classes=2)
    assert (made.accuracy, made.undecided, made.texts) == (0.5, 2, 4)
    assert made.precision.tolist() == [1, 1] and made.recall.tolist() == [0.5, 0.5]
    assert undecided([0, 0, 1, 1], [0, -1, 1, -1], classes=2).tolist() == [1, 1]
    assert confusion([0, 1], [-1, -1], classes=2).tolist() == [[0, 0], [0, 0]]


def evaluation(made, labels):
    return Evaluation.of("m", made, labels, loss=0.0, calibration_error=0.0, temperature=1.0, signature="")


def test_of_no_texts():
    made = report([], [], classes=3)
    assert all(map(math.isnan, (made.accuracy, made.macro_f1, made.baseline, *made.interval())))
    assert evaluation(made, ["a", "b", "c"]).majority_label is None


def test_plain_values():
    made = evaluation(report([0, 0, 1], [0, -1, 0], classes=2), ["neg", "pos"]).to_dict()
    assert list(made) == [
        "model", "texts", "accuracy", "ci_low", "ci_high", "macro_f1", "majority_label", "majority_accuracy", "undecided", "labels",
        "confusion", "loss", "calibration_error", "temperature", "signature",
    ]  # fmt: skip
    assert made["labels"][0] == {"label": "neg", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert made["confusion"] == [[1, 0], [1, 0]] and made["majority_label"] == "neg" and made["undecided"] == 1
    assert type(made["labels"][1]["support"]) is int


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=25))
def test_paired_is_the_binomial_test(rows):
    targets = np.arange(len(rows)) % 3
    first, second = (np.where([row[i] for row in rows], targets, -1) if rows else targets for i in (0, 1))
    made = paired(targets, first, second)
    b, c = rows.count((True, False)), rows.count((False, True))
    exact = min(Fraction(1), 2 * sum(Fraction(comb(b + c, i), 2 ** (b + c)) for i in range(min(b, c) + 1)))
    assert (made.only_first, made.only_second) == (b, c) and made.p == pytest.approx(float(exact))


def test_paired_of_many():
    targets = np.zeros(400_000, np.int32)
    first, second = targets.copy(), targets.copy()
    first[:100_300], second[100_300:200_000] = 1, 1
    made = paired(targets, first, second)
    assert (made.only_first, made.only_second) == (99_700, 100_300)
    z = (100_300 - 99_700 - 1) / math.sqrt(200_000)  # the normal distribution, with the correction for continuity
    assert made.p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)


def test_the_signature():
    made = of_classifier("lstm", tokenizer="sentencepiece-8000#1f3a", texts=10_000)
    assert made == f"clf:lstm|tok:sentencepiece-8000#1f3a|norm:nfc|n:10000|v:{__version__}"
    made = of_classifier("cnn", tokenizer="words-9#0", labels=2, temperature=1.25, precision="fp32")
    assert made == f"clf:cnn|tok:words-9#0|norm:nfc|labels:2|temp:1.25|prec:fp32|v:{__version__}"
    assert "|tok:none|" in of_classifier("bag", tokenizer="", texts=1)
