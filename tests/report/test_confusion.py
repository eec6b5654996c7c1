"""report/confusion: counts stand under their labels, in colours or without, and nothing in a label is obeyed."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seqcli.report.confusion import MOST_LABELS, confusions, matrix, picture
from seqcli.report.frame import tsv

ABC = np.array([[90, 10, 0], [26, 70, 4], [0, 0, 0]])
LABELS = ["neg", "neutral", "positive"]


def plain(confusion, labels, **options) -> list[str]:
    return picture(np.asarray(confusion), labels, color=False, **options).split("\n")[:-1]


def test_a_picture_by_hand():
    assert plain(ABC, LABELS, width=80) == [
        "rows: true labels; columns: predicted labels",
        "            neg  neutral  positive",
        "neg       ██ 90    ░░ 10         ·",
        "neutral   ▒▒ 26    ▓▓ 70     ░░  4",
        "positive      ·        ·         ·",
    ]


def test_hangul_is_aligned_in_columns():
    lines = plain([[4321, 679], [512, 4488]], ["부정", "긍정"], width=80)
    assert lines[1:] == ["         부정     긍정", "부정  ██ 4321  ░░  679", "긍정  ░░  512  ██ 4488"]
    assert len({cell_len(line) for line in lines[1:]}) == 1


def test_undecided_texts_have_a_column():
    lines = plain([[8, 2], [0, 5]], ["a", "b"], undecided=np.array([0, 5]), width=80)
    assert [line.split() for line in lines[1:]] == [
        ["a", "b", "?"], ["a", "██", "8", "░░", "2", "·"], ["b", "·", "▒▒", "5", "▒▒", "5"]
    ]  # fmt: skip
    assert "?" not in "".join(plain([[8, 2], [0, 5]], ["a", "b"], undecided=np.array([0, 0]), width=80))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(st.sampled_from("ab한글 é[]\x1b\t"), min_size=1, max_size=30), min_size=2, max_size=MOST_LABELS),
    st.integers(30, 100),
    st.randoms(use_true_random=False),
)
def test_no_picture_is_wider_than_the_terminal(labels, width, random):
    confusion = np.array([[random.choice([0, 1, 7, 350, 9999]) for _ in labels] for _ in labels])
    drawn = matrix(confusion, labels, width=width)
    if drawn is None:
        return
    assert all(char.isprintable() or char == "\n" for char in drawn.plain)
    _, head, *rows = drawn.plain.split("\n")
    assert {cell_len(line) for line in [head, *rows]} == {cell_len(head)} and cell_len(head) <= width
    for row, counts in zip(rows, confusion.tolist(), strict=True):  # counts are read back, whatever stands before them
        cells = re.findall(r"·|[░▒▓█]+ *\d+", row)
        assert [0 if cell == "·" else int(cell.strip("░▒▓█ ")) for cell in cells] == counts


def test_long_labels_are_replaced_by_letters():
    labels = [f"a label of many words, number {n}" for n in range(6)]
    lines = plain(np.full((6, 6), 100), labels, width=80)
    assert lines[1].split() == list("abcdef")
    assert lines[2].startswith("a a label of many words, nu") and lines[2].count("░░ 100") == 6
    twelve = plain(np.full((12, 12), 9999), labels * 2, width=80)
    assert twelve[2].startswith("a a lab…") and twelve[2].count("░9999") == 12 and cell_len(twelve[2]) == 80


@pytest.mark.parametrize("classes, count, width", [(MOST_LABELS + 1, 1, 200), (12, 99999, 80), (6, 100, 32)])
def test_a_matrix_that_does_not_fit_is_listed(classes, count, width):
    confusion = np.diag(np.full(classes, count))
    confusion[1, 0] = 1
    labels = [f"l{n}" for n in range(classes)]
    assert matrix(confusion, labels, width=width) is None
    lines = "\n".join(plain(confusion, labels, width=width))
    assert "most frequent confusions" in lines and "l1" in lines and "l2" not in lines
    confusion[1, 0] = 0
    assert "no confusions between labels" in picture(confusion, labels, color=False, width=width)


def test_the_most_frequent_confusions():
    columns = confusions(ABC, LABELS, undecided=np.array([0, 0, 5]))
    assert tsv(columns).splitlines() == [
        "neutral\tneg\t26\t0.2600", "neg\tneutral\t10\t0.1000", "positive\t?\t5\t1.0000", "neutral\tpositive\t4\t0.0400"
    ]  # fmt: skip
    assert len(confusions(ABC, LABELS, most=1)[0].values) == 1
    assert confusions(np.diag([3, 4]), ["a", "b"])[0].values == []


def test_labels_are_never_interpreted_as_markup():
    labels = ["[red]a", "\x1b[31mb\u202e"]
    for confusion, width in (([[1, 2], [3, 4]], 80), ([[0, 1], [0, 0]], 12)):  # the matrix, the list
        text = "".join(plain(confusion, labels, width=width))
        assert "\x1b" not in text and "\u202e" not in text
    assert "[red]a" in picture(np.array([[1, 2], [3, 4]]), labels, width=80)


def test_colours_on_request(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = picture(ABC, LABELS, width=80)
    assert "\x1b[" in coloured and re.sub(r"\x1b\[[0-9;]*m", "", coloured).split("\n")[:-1] == plain(
        ABC, LABELS, width=80
    )
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in picture(ABC, LABELS, width=80)
