"""Start time of the running command: budgets in minutes count from it, imports included."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

_began: float | None = None


def process_start() -> float:
    """The start time of this process, on the scale of `time.monotonic`; the current time if the system does not tell."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])  # field 22; the name before it may contain blanks
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        age = 0.0
    return time.monotonic() - max(age, 0.0)


@contextmanager
def command(began: float | None = None) -> Iterator[None]:
    """The context of a running command. began: on the scale of `time.monotonic`, None for now."""
    global _began
    before, _began = _began, time.monotonic() if began is None else began
    try:
        yield
    finally:
        _began = before


def began() -> float:
    """The start time of the running command, on the scale of `time.monotonic`; the current time if there is none."""
    return time.monotonic() if _began is None else _began
