"""How far long work is: a live line on a terminal's standard error, notes as plain lines, nothing else anywhere."""

from __future__ import annotations

import os
import sys
import time

from seqcli.text import printable

_PATIENCE = 0.5  # seconds before anything is drawn
_EVERY = 0.1


class Console:
    """A `Reporter`. quiet: neither notes nor progress."""

    def __init__(self, *, prefix: str, quiet: bool = False):
        self._prefix, self._quiet = prefix, quiet or sys.stderr is None
        self._live = not self._quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._showing = False

    def note(self, line: str) -> None:
        if not self._quiet:
            self.clear()
            print(f"{self._prefix}: {printable(line)}", file=sys.stderr)

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        now = time.monotonic()
        if not self._live or now - self._begun < _PATIENCE or now - self._drawn < _EVERY:
            return
        self._drawn = now
        seconds = now - self._begun
        if total:
            share = min(1.0, done / total)
            left = seconds / share - seconds if share > 0 else 0
            bar = "█" * round(20 * share)
            line = f"{what} {bar:░<20} {share:4.0%} {seconds:.0f} s, {left:.0f} s left"
        else:
            line = f"{what} {done:,.0f} ({seconds:.0f} s)"
        sys.stderr.write("\r\x1b[K" + printable(line))
        sys.stderr.flush()
        self._showing = True

    def clear(self) -> None:
        """Takes the live line away."""
        if self._showing:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._showing = False
