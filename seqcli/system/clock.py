"""When the running command began: budgets in minutes count from there, imports included."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

_began: float | None = None


def process_start() -> float:
    """When this process was started, on the scale of `time.monotonic`; now, where the system does not say."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])  # field 22; the name before it may contain blanks
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        age = 0.0
    return time.monotonic() - max(age, 0.0)


@contextmanager
def command(began: float | None = None) -> Iterator[None]:
    """A command runs inside. began: on the scale of `time.monotonic`, None for now."""
    global _began
    before, _began = _began, time.monotonic() if began is None else began
    try:
        yield
    finally:
        _began = before


def began() -> float:
    """When the running command began, on the scale of `time.monotonic`; now, where none runs."""
    return time.monotonic() if _began is None else _began
