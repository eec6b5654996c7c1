"""Notes are plain lines on standard error; the live line is drawn on terminals only."""

import io
import sys

import pytest

from seqcli.report import progress
from seqcli.report.progress import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", 0)
    monkeypatch.setattr(progress, "_EVERY", 0)


def test_notes(capsys):
    console = Console(prefix="seqcli score")
    console.note("a\x1b[31m\nb")
    console.progress("reading", 1, 2)
    Console(prefix="x", quiet=True).note("unheard")
    out, err = capsys.readouterr()
    assert out == "" and err == "seqcli score: a\\x1b[31m\\x0ab\n"


def test_the_live_line_comes_and_goes(monkeypatch, impatient):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    console = Console(prefix="p")
    console.progress("read\x1bing", 1, 4)
    assert " 25%" in sys.stderr.getvalue() and "read\\x1bing" in sys.stderr.getvalue()
    console.note("done")
    assert sys.stderr.getvalue().endswith("\r\x1b[Kp: done\n")
    console.progress("counting", 1234)
    assert "counting 1,234 " in sys.stderr.getvalue()


@pytest.mark.parametrize("term, quiet", [("dumb", False), ("xterm", True)])
def test_no_live_line_when_quiet_or_on_a_dumb_terminal(monkeypatch, impatient, term, quiet):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", term)
    Console(prefix="p", quiet=quiet).progress("reading", 1, 4)
    assert sys.stderr.getvalue() == ""


def test_without_standard_error_nothing_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    Console(prefix="p").note("lost")
    assert capsys.readouterr().out == ""


def test_progress_is_logged_on_request(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LOGGED", 0)
    Console(prefix="p", verbose=True).progress("reading", 1, 4)
    assert "p: reading" in capsys.readouterr().err
    Console(prefix="p", verbose=True, quiet=True).progress("reading", 1, 4)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_the_live_line_is_one_line_and_gives_up_its_bar_first(monkeypatch, impatient, columns):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    what = "step 123456, loss 3.214, 1.921 bpb, 123k tokens/s, 12.3 GB"
    Console(prefix="p").progress(what, 1, 2)
    line = sys.stderr.getvalue().removeprefix("\r\x1b[K")
    assert len(line) < columns and line.startswith(what[:20])
    assert ("█" * 10 + "░" * 10 in line) == (columns == 200) and (" 50%" in line) == (columns > 30)


def test_the_time_left_is_that_of_the_current_work(monkeypatch, impatient):
    """Reading took long; then a training that was half done is resumed, and takes 10 seconds for a quarter."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    console = Console(prefix="p")
    console.progress("reading", 1, 1)
    now[0] += 1000
    console.progress("step", 0.5, 1)
    now[0] += 10
    console.progress("step", 0.75, 1)
    assert sys.stderr.getvalue().endswith(" 75% 10 s left")
    now[0] += 100_000
    console.progress("step", 0.76, 1)
    assert sys.stderr.getvalue().endswith(" 76% 25:38:37 left")
