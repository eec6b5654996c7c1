"""Signals that ask training to stop: collected, so that the step at hand can be finished and saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from seqcli import torchrun


@contextmanager
def collected() -> Iterator[list[signal.Signals]]:
    """SIGINT and SIGTERM, as they come; a second SIGINT interrupts at once (torchrun sends one after a terminal's own)."""
    seen: list[signal.Signals] = []

    def note(number, frame):
        if seen and number == signal.SIGINT and torchrun.world() == 1:
            raise KeyboardInterrupt
        seen.append(signal.Signals(number))

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
