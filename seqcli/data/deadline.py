"""A time limit for reading: as much is read as fits into a budget in minutes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


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
