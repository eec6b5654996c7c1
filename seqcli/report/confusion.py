"""The confusion matrix as a picture for a terminal, or its most frequent confusions.

A cell has a count and a shade, its share of the row, so that it can be read without colours. If the terminal is too narrow
for the matrix, or there are too many labels, the most frequent confusions are listed instead.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import chain
from string import ascii_lowercase
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seqcli.report.frame import WHOLE, Column, render, shade, table
from seqcli.text import printable

if TYPE_CHECKING:
    import numpy as np

MOST_LABELS = 12
MOST_CONFUSIONS = 20
UNDECIDED = "?"
_NARROWEST = 6  # maximum width of a row's label, in cells
_NOTHING = "·"


def picture(
    confusion: np.ndarray,
    labels: Sequence[str],
    *,
    undecided: np.ndarray | None = None,
    color: bool = True,
    width: int | None = None,
) -> str:
    """The matrix or, if it does not fit, the most frequent confusions, as lines for a terminal.

    confusion: int [C, C], rows are the true labels; undecided: int [C], texts without a predicted label.
    """
    width = width or shutil.get_terminal_size().columns
    drawn = matrix(confusion, labels, undecided=undecided, width=width)
    if drawn is not None:
        return render(drawn, color=color, width=width)
    columns = confusions(confusion, labels, undecided=undecided)
    if not columns[0].values:
        return render(Text("no confusions between labels"), color=color, width=width)
    return table(columns, title="most frequent confusions", color=color, width=width)


def confusions(
    confusion: np.ndarray, labels: Sequence[str], *, undecided: np.ndarray | None = None, most: int = MOST_CONFUSIONS
) -> list[Column]:
    """True label, predicted label, count and share of the true label's texts; most frequent first."""
    rows = _with_undecided(confusion, undecided)
    names = [*labels, UNDECIDED]
    wrong = [(-n, i, j) for i, row in enumerate(rows) for j, n in enumerate(row) if n and i != j]
    most_frequent = sorted(wrong)[:most]
    return [
        Column("label", [names[i] for _, i, _ in most_frequent]),
        Column("predicted", [names[j] for _, _, j in most_frequent]),
        Column("texts", [-n for n, _, _ in most_frequent], WHOLE),
        Column("share", [-n / sum(rows[i]) for n, i, _ in most_frequent], "%.4f", "%.3f"),
    ]


def matrix(
    confusion: np.ndarray, labels: Sequence[str], *, undecided: np.ndarray | None = None, width: int = 80
) -> Text | None:
    """The picture; None if there are too many labels, or they do not fit into `width`."""
    if len(labels) > MOST_LABELS:
        return None
    rows = _with_undecided(confusion, undecided)
    names = [printable(label) for label in labels]
    last = [UNDECIDED] if len(rows[0]) > len(labels) else []
    longest = max(map(cell_len, names))
    letters = list(ascii_lowercase[: len(names)])
    # Column headings are the labels if they fit, else a letter for each, and finally the narrowest possible cells.
    for shades, gap, heads in ((2, 2, names), (2, 2, letters), (1, 1, letters)):
        keys = [f"{letter} " if heads is letters else "" for letter in letters]
        cell = shades + (shades > 1) + _digits(rows)
        sizes = [gap + max(cell, cell_len(head)) for head in [*heads, *last]]
        room = width - sum(sizes) - len(keys[0])
        if room >= min(longest, _NARROWEST if heads is letters else longest):
            fitted = [_fitted(name, min(room, longest)) for name in names]
            return _drawn(rows, fitted, keys, [*heads, *last], sizes, shades=shades)
    return None


def _with_undecided(confusion: np.ndarray, undecided: np.ndarray | None) -> list[list[int]]:
    rows = confusion.tolist()
    return (
        [[*row, n] for row, n in zip(rows, undecided.tolist())] if undecided is not None and undecided.any() else rows
    )


def _fitted(name: str, size: int) -> str:
    """`name` padded or truncated to `width` cells of the terminal; Hangul takes two per character."""
    return set_cell_size(name, size) if cell_len(name) <= size else set_cell_size(name, size - 1) + "…"


def _drawn(
    rows: list[list[int]], names: list[str], keys: list[str], heads: list[str], sizes: list[int], *, shades: int
) -> Text:
    text, digits = Text(no_wrap=True, overflow="ignore"), _digits(rows)
    text.append("rows: true labels; columns: predicted labels\n", "dim")
    text.append(" " * (cell_len(keys[0] + names[0])))
    for head, size in zip(heads, sizes):
        text.append(" " * (size - cell_len(head)) + head, "bold")
    for i, (key, name, row) in enumerate(zip(keys, names, rows)):
        text.append(f"\n{key}{name}", "bold")
        for j, (n, size) in enumerate(zip(row, sizes)):
            style = "dim" if not n else "green" if i == j else "red" if j < len(rows) else "yellow"
            text.append(_cell(n, sum(row), digits=digits, shades=shades).rjust(size), style)
    return text


def _cell(n: int, of: int, *, digits: int, shades: int) -> str:
    """A count and its shade: 679 of 5,000 is `░░ 679`."""
    return shade(n / of) * shades + " " * (shades > 1) + str(n).rjust(digits) if n else _NOTHING


def _digits(rows: list[list[int]]) -> int:
    return max(len(str(n)) for n in chain(*rows))
