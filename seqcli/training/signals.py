"""Collects the signals that stop a training, so that the current step can be finished and saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from seqcli.system import signals, torchrun


@contextmanager
def collected() -> Iterator[list[signal.Signals]]:
    """Collects SIGINT and SIGTERM; a second SIGINT interrupts at once (torchrun sends one in addition to the
    terminal's). A signal after the last step raises at the end of the block, when the training is saved."""
    seen: list[signal.Signals] = []

    def note(number, frame):
        seen.append(signal.Signals(number))
        if len(seen) > 1 and number == signal.SIGINT and torchrun.world() == 1:
            signals.stop(number)

    old = signals.install(note)
    try:
        yield seen
    finally:
        signals.restore(old)
    if seen:
        signals.stop(seen[0])
