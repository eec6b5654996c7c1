"""Start time of the running command, from which budgets in minutes count, imports included; and a time limit for reading."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

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


class Deadline:
    """at: when to stop, on the scale of `time.monotonic`; items: stop after this number of items instead, as an earlier part
    of a resumed run did.

    `read` counts the items, `passed` tells whether some were left out.
    """

    def __init__(self, at: float = math.inf, *, items: int | None = None):
        self._at, self._items = at, items
        self.read, self.passed = 0, False

    def within(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items up to the deadline, and at least the first of everything that is read under this deadline."""
        for item in items:
            late = time.monotonic() > self._at if self._items is None else self.read >= self._items
            if self.read and late:
                self.passed = True
                return
            self.read += 1
            yield item
