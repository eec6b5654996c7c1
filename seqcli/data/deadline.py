"""When reading has to stop: what fits into a budget in minutes is read, the rest is left out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class Deadline:
    """at: on the scale of `time.monotonic`; items: read so many instead, as an earlier part of a resumed run did.

    `read` counts the items, `passed` says whether others were left out.
    """

    def __init__(self, at: float = math.inf, *, items: int | None = None):
        self._at, self._items = at, items
        self.read, self.passed = 0, False

    def within(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items until then; of everything that is read under this deadline the very first in any case."""
        for item in items:
            late = time.monotonic() > self._at if self._items is None else self.read >= self._items
            if self.read and late:
                self.passed = True
                return
            self.read += 1
            yield item
