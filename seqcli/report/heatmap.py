"""Attention of a translator as a heat map: source tokens are columns, target tokens are rows.

The largest weight of a row is green if colours are available; the shades alone say the same. If the map is too wide for the
terminal, it is split into several, one below the other. Column names are written vertically; a Hangul syllable takes two
cells.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seqcli.errors import UsageError
from seqcli.report.frame import render, shade
from seqcli.report.output import check_folder
from seqcli.text import printable

if TYPE_CHECKING:
    import numpy as np

MOST_COLUMNS = 80
_MOST_TOKENS = 200  # maximum number of rows or columns; of more tokens, consecutive ones are shown as one
_GROUPED = 60  # their number then, at most
MOST_MAPS, MOST_ROWS = 12, 300  # the same for a PNG
_CELL = 2  # width of a column, in cells
_LABEL = 16  # maximum width of a row's name, in cells
_HEAD = 8  # maximum length of a column's name, in characters
_SHOWN = 0.05  # smaller weights are shown as a dot


def picture(
    weights: np.ndarray, source: Sequence[str], target: Sequence[str], *, color: bool = True, width: int | None = None
) -> str:
    """The heat map as lines for a terminal, none wider than `width` and `MOST_COLUMNS`.

    weights: [T, S], rows sum to 1; source: S names, target: T names.
    """
    if not len(target):
        return ""
    width = min(width or shutil.get_terminal_size().columns, MOST_COLUMNS)
    shown = grouped(weights, source, target)
    heading = [
        f"{size} consecutive tokens are one {line}, the {what} of their weights\n"
        for size, line, what in (
            (-(-len(source) // len(shown[1])), "column", "sum"),
            (-(-len(target) // len(shown[2])), "row", "mean"),
        )
        if size > 1
    ]
    return "".join(heading) + render(drawn(*shown, width=width), color=color, width=width)


def grouped(
    weights: np.ndarray, source: Sequence[str], target: Sequence[str]
) -> tuple[np.ndarray, Sequence[str], Sequence[str]]:
    """A map that can be drawn: of a long side, consecutive tokens are one, with the sum of their weights (source) or the mean of
    their rows (target), so that rows still sum to 1."""
    weights, target = _grouped(weights, target, axis=0)
    weights, source = _grouped(weights, source, axis=1)
    return weights, source, target


def drawn(weights: np.ndarray, source: Sequence[str], target: Sequence[str], *, width: int) -> Text:
    names = [_fitted(printable(name), min(_LABEL, width // 3)) for name in target]
    label = max(map(cell_len, names))
    at_once = max(1, (width - label - 1) // _CELL)
    text = Text(no_wrap=True, overflow="ignore")
    for begin in range(0, len(source), at_once):
        columns = range(begin, min(begin + at_once, len(source)))
        text.append("\n" * (begin > 0))
        for line in _downwards([printable(source[column]) for column in columns]):
            text.append(f"{' ' * (label + 1)}{line}".rstrip() + "\n", "bold")
        for name, row in zip(names, weights):
            text.append(set_cell_size(name, label) + " ", "bold")
            darkest = int(row.argmax())
            for column in columns:
                share = float(row[column])
                style = "green" if column == darkest else "" if share >= _SHOWN else "dim"
                text.append(shade(share) * _CELL if share >= _SHOWN else "· ", style)
            text.append("\n")
    text.right_crop(1)
    return text


def _grouped(weights: np.ndarray, names: Sequence[str], *, axis: int) -> tuple[np.ndarray, Sequence[str]]:
    """Axis 0 is that of rows."""
    import numpy as np

    size = -(-len(names) // _GROUPED) if len(names) > _MOST_TOKENS else 1
    if size == 1:
        return weights, names
    begins = range(0, len(names), size)
    sums = np.add.reduceat(weights, begins, axis=axis)
    lengths = np.diff([*begins, len(names)])
    return sums / lengths[:, None] if axis == 0 else sums, [" ".join(names[begin : begin + size]) for begin in begins]


def _downwards(names: list[str]) -> list[str]:
    """Column headings: the characters of each name one below the other, ending above its column."""
    names = [name if len(name) <= _HEAD else name[: _HEAD - 1] + "…" for name in names]
    height = max(map(len, names))
    return ["".join(set_cell_size(name.rjust(height)[line], _CELL) for name in names) for line in range(height)]


def _fitted(name: str, size: int) -> str:
    return name if cell_len(name) <= size else set_cell_size(name, size - 1) + "…"


def check(path: str) -> None:
    """Checks before any work that attention can be written to `path`. Raises UsageError if it cannot."""
    if not path.endswith((".json", ".png")):
        raise UsageError("attention can be saved as .json or .png only", where=path)
    if path.endswith(".png") and find_spec("matplotlib") is None:
        raise UsageError(
            "a .png picture needs matplotlib", where=path, cure="pip install 'seqcli[plot]', or use a .json file"
        )
    check_folder(path)


def png(maps: Sequence[tuple[np.ndarray, Sequence[str], Sequence[str]]]) -> tuple[bytes, bool]:
    """Saves a PNG of (weights, source names, target names), one below the other; returns whether the fonts have all
    characters."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from seqcli.report import fonts

    sizes = [(1.5 + 0.3 * len(source), 1.5 + 0.3 * len(target)) for _, source, target in maps]
    with rc_context({"font.family": fonts.fonts()}):
        height = sum(height for _, height in sizes)
        figure = Figure(figsize=(max([4.0, *(width for width, _ in sizes)]), height), layout="constrained")
        grid = figure.subplots(len(maps), squeeze=False, gridspec_kw={"height_ratios": [height for _, height in sizes]})
        for axes, (weights, source, target) in zip(grid[:, 0], maps):
            axes.imshow(weights, cmap="Greys", vmin=0, vmax=1)
            axes.set_xticks(range(len(source)), source, rotation=90, parse_math=False)
            axes.set_yticks(range(len(target)), target, parse_math=False)
            axes.xaxis.tick_top()
        return fonts.png(figure)
