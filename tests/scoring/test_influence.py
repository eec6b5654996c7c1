"""What a word adds to a label, against sums made by hand."""

import math

import numpy as np
import pytest

from seqcli.scoring.influence import influences

WORTH = {"good": (0.0, 3.0, 1.0), "bad": (1.0, -1.0, 0.0), "film": (0.1, 0.1, 0.1), "나쁜": (5.0, 0.0, 0.0)}


def logits(lines: bytes) -> np.ndarray:
    """Every word adds its worth."""
    assert lines.endswith(b"\n")
    rows = [[WORTH.get(word, (0.0, 0.0, 0.0)) for word in line.split()] for line in lines.decode().split("\n")[:-1]]
    return np.array([np.sum([*row, (0.0, 0.0, 0.0)], axis=0) for row in rows])


def log_odds(values, label: int) -> float:
    p = [math.exp(value) for value in values]
    return math.log(p[label] / (sum(p) - p[label]))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_word_is_worth_the_log_odds_that_go_with_it(temperature):
    words = ["a", "good", "bad", "film"]
    found = influences(logits, "a  good bad\tfilm ", temperature=temperature)
    values = logits(b"a good bad film\n")[0] / temperature
    assert found.words == words and found.best == 1
    assert found.probability == pytest.approx(np.exp(values[1]) / np.exp(values).sum())
    for place, change in enumerate(found.changes):
        without = " ".join(words[:place] + words[place + 1 :])
        left = logits(f"{without}\n".encode())[0] / temperature
        assert change == pytest.approx(log_odds(values, 1) - log_odds(left, 1))
    assert found.changes[0] == 0 and found.changes[1] > 0 > found.changes[2]


def test_of_two_labels_changes_are_sums():
    """Where words add up, log-odds of two labels do, too."""
    found = influences(lambda lines: logits(lines)[:, :2], "good 나쁜 bad film")
    assert found.best == 0 and found.changes.tolist() == pytest.approx([-3, 5, 2, 0])


@pytest.mark.parametrize("text", ["", "   ", "\t"])
def test_no_words(text):
    found = influences(logits, text)
    assert found.words == [] and found.changes.shape == (0,) and found.probability == pytest.approx(1 / 3)


def test_the_only_word_leaves_an_empty_line():
    assert influences(lambda lines: logits(lines)[:, :2], "good").changes.tolist() == [3]


@pytest.mark.parametrize("far", [5.0, 50.0, 500.0])
def test_a_label_that_is_all_but_certain(far):
    """p rounds to 1, its log-odds do not round to anything."""
    surely = lambda lines: far * (logits(lines) > 0)  # noqa: E731
    found = influences(surely, "나쁜 나쁜")
    assert found.changes.tolist() == [0, 0] and found.probability == pytest.approx(1, abs=0.02)
    one = influences(
        lambda lines: np.array([[far * line.count("x"), 0.0, 1.0] for line in lines.decode().split("\n")[:-1]]), "x x"
    )
    assert one.changes.tolist() == pytest.approx([far, far])


def test_a_label_that_is_impossible():
    impossible = lambda lines: np.stack([logits(lines)[:, 0], np.full(lines.count(b"\n"), -np.inf)], axis=1)  # noqa: E731
    found = influences(impossible, "good bad")
    assert found.best == 0 and found.probability == 1


def test_long_texts_are_classified_in_parts(monkeypatch):
    from seqcli.scoring import influence

    text, asked = " ".join(["good", "bad", "film"] * 20), []
    whole = influences(logits, text)
    monkeypatch.setattr(influence, "_AT_ONCE", 1000)
    parts = influences(lambda lines: (asked.append(len(lines)), logits(lines))[1], text)
    assert np.array_equal(parts.changes, whole.changes) and max(asked) <= 1000 and len(asked) > 5


@pytest.mark.parametrize("texts, grouped", [(60, 1), (59, 2), (30, 2), (5, 12), (1, 60)])
def test_words_of_long_texts_are_left_out_in_groups(monkeypatch, texts, grouped):
    from seqcli.scoring import influence

    words, asked = ["good", "bad", "film"] * 20, []
    text = " ".join(words)
    monkeypatch.setattr(influence, "_MOST", texts * len(text))
    found = influences(lambda lines: (asked.append(lines.count(b"\n")), logits(lines))[1], text)
    assert found.grouped == grouped and sum(asked) == 1 + len(found.words) == 1 + 60 // grouped
    assert " ".join(found.words) == text
    whole = log_odds(logits(text.encode() + b"\n")[0], found.best)
    for place, change in enumerate(found.changes):
        without = " ".join(words[: place * grouped] + words[(place + 1) * grouped :])
        assert change == pytest.approx(whole - log_odds(logits(without.encode() + b"\n")[0], found.best), abs=1e-6)
