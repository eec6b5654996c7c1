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


def test_colors_only_repeat_the_shades(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m██" in picture(WEIGHTS, list("abc"), list("de"), width=80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in picture(WEIGHTS, list("abc"), list("de"), width=80)


def test_an_empty_attention_map_has_no_picture():
    assert picture(np.zeros((0, 0)), [], []) == ""
    with pytest.raises(UsageError, match=r".json or .png"):
        heatmap.check("map.pdf")


@pytest.mark.parametrize("shape", [(2, 500), (250, 3), (201, 1001)])
def test_consecutive_tokens_of_a_long_text_are_one(shape):
    weights = np.random.default_rng(0).dirichlet(np.ones(shape[1]), shape[0])
    names = [[f"{side}{k}" for k in range(count)] for side, count in (("s", shape[1]), ("t", shape[0]))]
    shown, *groups = heatmap.grouped(weights, *names)
    assert shown.sum(axis=1) == pytest.approx(1) and max(shown.shape) <= 60
    assert [" ".join(group).split() for group in groups] == names
    members = [[name.split() for name in group] for group in groups]
    for row, targets in enumerate(members[1]):  # by the definition, from the tokens' own numbers
        for column, sources in enumerate(members[0]):
            block = weights[np.ix_([int(t[1:]) for t in targets], [int(s[1:]) for s in sources])]
            assert shown[row, column] == pytest.approx(block.sum(axis=1).mean())
    drawn = picture(weights, *names, color=False, width=80)
    assert ("are one column, the sum" in drawn) == (shape[1] > 200) and ("are one row, the mean" in drawn) == (
        shape[0] > 200
    )


def test_a_png_and_characters_without_a_font():
    pytest.importorskip("matplotlib")
    drawn, whole = heatmap.png([(WEIGHTS, ["a", "$x^2$", "c"], ["d", "e"])] * 2)
    assert drawn.startswith(b"\x89PNG") and whole
    assert not heatmap.png([(WEIGHTS, ["\U0010fffd"] * 3, ["d", "e"])])[1]
