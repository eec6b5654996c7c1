"""report/heatmap: cells stand under their tokens, in colours or without, in as many columns as there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from seqcli.errors import UsageError
from seqcli.report import heatmap
from seqcli.report.heatmap import picture

WEIGHTS = np.array([[0.9, 0.1, 0.0], [0.04, 0.3, 0.66]], np.float32)


def lines(*arguments, **options) -> list[str]:
    return [line.rstrip() for line in picture(*arguments, color=False, **options).split("\n")[:-1]]


def test_a_picture_by_hand():
    assert lines(WEIGHTS, ["나는", "학습을", "."], ["I", "study"], width=80) == [
        "        학",
        "      나습",
        "      는을.",
        "I     ██░░·",
        "study · ▒▒▓▓",
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(st.sampled_from("ab한글▁\x1b\u202e"), min_size=1, max_size=20), min_size=1, max_size=60),
    st.lists(st.text(st.sampled_from("ab한글▁\x1b"), min_size=1, max_size=30), min_size=1, max_size=5),
    st.integers(20, 200),
)
def test_no_picture_is_wider_than_the_terminal(source, target, width):
    weights = np.random.default_rng(0).dirichlet(np.ones(len(source)), len(target))
    shown = lines(weights, source, target, width=width)
    assert all(cell_len(line) <= min(width, 80) and line.isprintable() for line in shown)
    assert sum(line.count("·") + sum(line.count(shade) for shade in "░▒▓█") / 2 for line in shown) == weights.size


def test_colours_only_repeat_what_shades_say(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m██" in picture(WEIGHTS, list("abc"), list("de"), width=80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in picture(WEIGHTS, list("abc"), list("de"), width=80)


def test_what_has_no_picture():
    assert picture(np.zeros((0, 0)), [], []) == ""
    assert (
        picture(np.zeros((2, 500)), ["a"] * 500, ["b"] * 2)
        == "too long for a heat map: 500 source tokens, 2 target tokens\n"
    )
    with pytest.raises(UsageError, match=r".json or .png"):
        heatmap.check("map.pdf")


def test_a_png_and_what_no_font_has():
    pytest.importorskip("matplotlib")
    drawn, whole = heatmap.png([(WEIGHTS, ["a", "$x^2$", "c"], ["d", "e"])] * 2)
    assert drawn.startswith(b"\x89PNG") and whole
    assert not heatmap.png([(WEIGHTS, ["\U0010fffd"] * 3, ["d", "e"])])[1]
