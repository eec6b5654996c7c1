"""Many numbers as text at once: the digits of a whole array are set place by place.

Formatting 650,000 rows one number at a time takes a second; this takes a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rows(columns: Sequence[tuple[np.ndarray, int]], *, separator: str = "\t") -> list[str]:
    """Row i of the columns, (numbers [n], decimal places) each: `["-1.50\t3", ...]` for places 2 and 0.

    Fields have a fixed width, filled up with NULs; in the end the NULs are taken out.
    """
    fields = []
    for values, places in columns:
        field = _field(values, places)
        if field is None:
            slow = ([format(value, f"z.{places}f") for value in values.tolist()] for values, places in columns)
            return [separator.join(row) for row in zip(*slow)]
        fields += [field, np.full((len(field), 1), ord(separator), np.uint8)]
    fields[-1][:] = ord("\n")
    return np.hstack(fields).tobytes().translate(None, b"\0").decode("ascii").split("\n")[:-1]


def _field(values: np.ndarray, places: int) -> np.ndarray | None:
    """uint8 [n, width]: right-aligned, NULs on the left. None where a number is too large for exact digits, or not finite."""
    with np.errstate(over="ignore"):
        scaled = np.rint(np.abs(values) * 10.0**places)
    largest = scaled.max(initial=0)
    if not largest < 2**53:
        return None
    left = scaled.astype(np.uint64)
    digits = max(len(str(int(largest))), places + 1)
    text = np.zeros((len(left), 1 + digits + (places > 0)), np.uint8)
    text[:, 0] = np.where((values < 0) & (left > 0), ord("-"), 0)
    at = text.shape[1]
    for place in range(digits):
        if place == places and places:
            at -= 1
            text[:, at] = ord(".")
        at -= 1
        rest = left // np.uint64(10)
        digit = (left - rest * np.uint64(10) + np.uint64(ord("0"))).astype(np.uint8)
        text[:, at] = digit if place <= places else np.where(left > 0, digit, 0)
        left = rest
    return text
