"""Progress of long work: a live line in a terminal (on standard error), notes as plain lines, nothing else elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time

from seqcli.system import torchrun
from seqcli.text import printable

_PATIENCE = 0.5  # seconds before anything is displayed
_EVERY = 0.1
_LOGGED = 10.0  # seconds between log lines


class Console:
    """A `Reporter`. quiet: print neither notes nor progress; verbose: print progress as log lines if standard error
    is not a terminal."""

    def __init__(self, *, prefix: str, quiet: bool = False, verbose: bool = False):
        self._prefix, self._quiet = prefix, quiet or sys.stderr is None or torchrun.rank() > 0
        self._live = not self._quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._logged = verbose and not self._quiet and not self._live
        self._begun = time.monotonic()
        self._first = (self._begun, 0.0)  # when the current work started, and its progress at that time
        self._last = 1.0
        self._every = _EVERY if self._live else _LOGGED
        self._next = self._begun + (_PATIENCE if self._live else _LOGGED)  # nothing is displayed before this time
        self._showing = False

    def note(self, line: str) -> None:
        if not self._quiet:
            self.clear()
            print(f"{self._prefix}: {printable(line)}", file=sys.stderr)

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        now, share = time.monotonic(), min(1.0, done / total) if total else 0.0
        if share < self._last:  # new work
            self._first = (now, share)
        self._last = share
        if not (self._live or self._logged) or now < self._next:
            return
        self._next = now + self._every
        end = f" {share:4.0%}{self._left(now, share)}" if total else f" {done:,.0f} ({_clock(now - self._begun)})"
        if self._logged:
            self.note(what + end)
            return
        room = shutil.get_terminal_size().columns - 1
        width = min(20, room - len(what) - len(end) - 1) if total else 0
        bar = f" {'█' * round(width * share):░<{width}}" if width > 3 else ""
        sys.stderr.write("\r\x1b[K" + printable(what + bar + end)[:room])
        sys.stderr.flush()
        self._showing = True

    def _left(self, now: float, share: float) -> str:
        """The estimated remaining time, by the speed so far."""
        begun, before = self._first
        return f" {_clock((now - begun) / (share - before) * (1 - share))} left" if share > before else ""

    def clear(self) -> None:
        """Removes the live line."""
        if self._showing:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._showing = False


def _clock(seconds: float) -> str:
    """Formats a duration: 45 s, 3:05, 2:03:05."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}" if minutes else f"{seconds} s"
