"""How far long work is: a live line on a terminal's standard error, notes as plain lines, nothing else anywhere."""

from __future__ import annotations

import os
import sys
import time

from seqcli.text import printable

_PATIENCE = 0.5  # seconds before anything is drawn
_EVERY = 0.1
_LOGGED = 10.0  # seconds between lines of a log


class Console:
    """A `Reporter`. quiet: neither notes nor progress; verbose: progress also where nobody watches, as lines of a log."""

    def __init__(self, *, prefix: str, quiet: bool = False, verbose: bool = False):
        self._prefix, self._quiet = prefix, quiet or sys.stderr is None
        self._live = not self._quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._logged = verbose and not self._quiet and not self._live
        self._begun = time.monotonic()
        self._every = _EVERY if self._live else _LOGGED
        self._next = self._begun + (_PATIENCE if self._live else _LOGGED)  # nothing is drawn before
        self._showing = False

    def note(self, line: str) -> None:
        if not self._quiet:
            self.clear()
            print(f"{self._prefix}: {printable(line)}", file=sys.stderr)

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        now = time.monotonic()
        if not (self._live or self._logged) or now < self._next:
            return
        self._next = now + self._every
        seconds = now - self._begun
        if total:
            share = min(1.0, done / total)
            left = seconds / share - seconds if share > 0 else 0
            bar = "█" * round(20 * share)
            line = f"{what} {bar:░<20} {share:4.0%} {seconds:.0f} s, {left:.0f} s left"
        else:
            line = f"{what} {done:,.0f} ({seconds:.0f} s)"
        if self._logged:
            self.note(line)
            return
        sys.stderr.write("\r\x1b[K" + printable(line))
        sys.stderr.flush()
        self._showing = True

    def clear(self) -> None:
        """Takes the live line away."""
        if self._showing:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._showing = False
