"""The course of a training in a terminal, and as a picture."""

import importlib.util

import pytest

from seqcli.errors import OutputError, UsageError
from seqcli.report import curves

EVENTS = [{"event": "started"}, *({"event": "progress", "step": n, "loss": 10 / n} for n in range(1, 101))]
EVENTS += [{"event": "evaluated", "step": n, "valid": 12 / n} for n in (25, 50, 75, 100)]


def test_drawn():
    lines = curves.drawn(EVENTS, columns=60, rows=8)
    assert len(lines) == 9 and max(map(len, lines)) == 60
    assert sum(line.count("●") for line in lines) == 4 + 1  # the last in the legend
    assert lines[0].startswith("   2.000┤") and lines[7].startswith("   0.100┤") and lines[-1].endswith("step 100")
    dots = [line.ljust(60)[9:] for line in lines[:8]]
    assert all("".join(column).strip() for column in zip(*dots)), "a line has no gaps"


@pytest.mark.parametrize("events", [[], EVENTS[:1], EVENTS[:5]])
def test_nothing_to_draw(events):
    assert curves.drawn(events, columns=80) == []


def test_a_single_evaluation_is_drawn():
    assert "●" in "".join(curves.drawn([{"step": 1, "loss": 2.0, "valid": 2.0}], columns=80))


def test_2_plots_that_cannot_be_written(monkeypatch):
    with pytest.raises(UsageError, match=r"not a \.png"):
        curves.check("a.jpg")
    monkeypatch.setattr(curves, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"seqcli\[plot\]"):
        curves.check("a.png")


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="an extra")
def test_a_picture(tmp_path):
    curves.save({"lstm": EVENTS, "gru": EVENTS[:1] + EVENTS[-4:]}, str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_folder_is_an_error_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(curves, "find_spec", lambda name: True)
    with pytest.raises(OutputError, match="no such folder"):
        curves.check(str(tmp_path / "missing" / "a.png"))
    curves.check(str(tmp_path / "a.png"))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="a folder"):
        curves.check(str(tmp_path / "folder.png"))
