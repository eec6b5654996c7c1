"""Results as columns, formatted as TSV, CSV, JSON Lines, or a table for a terminal.

rich is used for tables only; TSV, CSV and JSON are formatted here. Text from users is never interpreted as markup.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from seqcli import decimals
from seqcli.results import TEXT, WHOLE, formats
from seqcli.text import printable, significant, tsv_field

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import TypeIs

_GAP = 2  # cells between two columns of a table
_LONG_WORD, _LONG_NAME = 20, 40  # cells: longer words of a text, or names, may be broken
_CSV_SPECIAL = re.compile('[",\r\n]')


@dataclass(frozen=True, slots=True)
class Column:
    """A column. values: str for `%s`, numbers for `%d` and `%.Nf`, possibly as an array; None and NaN are missing values.

    `shown` is the format in a terminal.
    """

    name: str
    values: Sequence[Any] | np.ndarray
    format: str = TEXT
    shown: str | None = None
    align: str | None = None  # numbers are aligned right, text left


def columns_of(result: type, values: Mapping[str, Sequence[Any] | np.ndarray], *, prefix: str = "") -> list[Column]:
    """A column for each field of `result` that has values, in the order and with the formats of the fields. prefix: of the
    column names."""
    return [
        Column(f"{prefix}{name}", values[name], format, table)
        for name, (format, table) in formats(result).items() if name in values
    ]  # fmt: skip


def columns_of_rows(rows: Sequence[Any], result: type) -> list[Column]:
    """The columns of several results of one type, one row each."""
    return columns_of(result, {name: [getattr(row, name) for row in rows] for name in formats(result)})


def fields_of(result: type, *, prefix: str = "", without: Collection[str] = ()) -> list[Column]:
    """The columns of a result's fields without rows: names and formats, for `Output.begin`."""
    return columns_of(result, {name: () for name in formats(result) if name not in without}, prefix=prefix)


def kept_columns(keep: Sequence[str], rows: Sequence[Sequence[str]], *, beside: Iterable[str]) -> list[Column]:
    """Pass-through columns, called kept_NAME if one of the columns in `beside` has that name. rows: the cells of each record."""
    taken = set(beside)
    return [
        Column(f"kept_{name}" if name in taken else name, [cells[k] for cells in rows]) for k, name in enumerate(keep)
    ]


def tsv(columns: list[Column]) -> str:
    """Formats columns as tab-separated rows, each ended by a line feed."""
    return _lines(columns, "\t", _tsv_fields)


def csv(columns: list[Column]) -> str:
    """Formats columns as comma-separated rows, quoted according to RFC 4180, each ended by a line feed. Missing values are
    empty."""
    return _lines(columns, ",", partial(_csv_fields, alone=len(columns) == 1))


def _lines(columns: list[Column], separator: str, texts: Callable[[Sequence[str]], Sequence[str]]) -> str:
    """Formats values. texts: formats the values of a column of text."""
    parts: list[Sequence[str]] = []
    for are_arrays, group in groupby(columns, key=lambda column: _is_array(column.values)):
        if are_arrays:
            numbers = [(c.values, _places(c)) for c in group if _is_array(c.values)]
            parts.append(decimals.rows(numbers, separator=separator))
        else:
            parts += [texts(_plain(column)) if column.format == TEXT else _numbers(column) for column in group]
    rows = map(separator.join, zip(*parts))
    return "".join([row + "\n" for row in rows])


def _is_array(values: Sequence[Any] | np.ndarray) -> TypeIs[np.ndarray]:
    return hasattr(values, "dtype")


def _places(column: Column) -> int:
    """The number of decimals of a format: 2 for `%.2f`, 0 for `%d`."""
    return 0 if column.format == WHOLE else int(column.format[2:-1])


def tsv_header(names: Iterable[str]) -> str:
    return "\t".join(tsv_field(name) for name in names) + "\n"


def csv_header(names: Sequence[str]) -> str:
    return ",".join(_csv_fields(names, alone=len(names) == 1)) + "\n"


def _numbers(column: Column) -> Sequence[str]:
    values = _plain(column)
    if column.format == WHOLE:
        return ["" if _missing(value) else WHOLE % value for value in values]
    places = _places(column)
    return ["" if value is None else decimals.decimal(value, places) for value in values]


def _tsv_fields(values: Sequence[str]) -> Sequence[str]:
    # Printable text without a backslash needs no escape; testing all values together is faster than one by one.
    text = "".join(values)
    if text.isprintable() and "\\" not in text:
        return values
    return [v if v.isprintable() and "\\" not in v else tsv_field(v) for v in values]


def _csv_fields(values: Sequence[str], *, alone: bool) -> Sequence[str]:
    """A quoted CSV cell if necessary. alone: the only column, in which an empty cell is quoted, since readers skip blank
    lines."""
    fields = values if not _CSV_SPECIAL.search("\f".join(values)) else list(map(_csv_field, values))
    return [field or '""' for field in fields] if alone else fields


def _csv_field(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if _CSV_SPECIAL.search(value) else value


def json_line(value: Any) -> str:
    """A value as one line of JSON; infinities and NaN become null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False) + "\n"


def with_kept(row: dict[str, Any], keep: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """A JSON object with the pass-through columns, called kept_NAME if the object has a field of that name."""
    return {**row, **{f"kept_{name}" if name in row else name: cell for name, cell in zip(keep, cells)}}


def json_for_terminal(lines: str) -> str:
    """JSON Lines in which control characters, which a terminal might interpret, are escaped."""
    rest = (line if printable(line) == line else json.dumps(json.loads(line)) for line in lines.split("\n")[:-1])
    return "".join(line + "\n" for line in rest)


class JsonArray:
    """Formats JSON Lines as the elements of one array."""

    def __init__(self) -> None:
        self._before = "[\n"

    def elements(self, lines: str) -> str:
        """The text for the next lines, which may be cut anywhere."""
        if not lines:
            return ""
        text = self._before + lines.removesuffix("\n").replace("\n", ",\n")
        self._before = ",\n" if lines.endswith("\n") else ""
        return text

    @property
    def end(self) -> str:
        """The text after the last line."""
        return "[]\n" if self._before == "[\n" else "\n]\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def json_rows(columns: list[Column]) -> str:
    names = [column.name for column in columns]
    return "".join(json_line(dict(zip(names, row))) for row in zip(*map(_plain, columns)))


def _plain(column: Column) -> Sequence[Any]:
    return column.values.tolist() if _is_array(column.values) else column.values


def table(columns: list[Column], *, title: str | None = None, color: bool = True, width: int | None = None) -> str:
    """A table for a terminal. Numbers are aligned right, text wraps between words. If the rows are too wide, each is printed
    as a list of its cells, one per line."""
    from rich.text import Text  # takes 30 ms, needed only in a terminal

    heading = render(Text(printable(title), style="bold"), color=color, width=width) if title else ""
    cells = [[_shown(column, value) for value in _plain(column)] for column in columns]
    if not fits(columns, width=width):
        return heading + "\n".join(
            facts({column.name: cell for column, cell in zip(columns, row) if cell}, color=color, width=width)
            for row in zip(*cells)
        )
    drawing = _plain_table()
    for column, size in zip(columns, _widths(columns, cells, width=width)):
        name, left = printable(column.name), column.format == TEXT
        drawing.add_column(
            Text(name), justify=column.align or ("left" if left else "right"), overflow="fold", width=size
        )
    for row in zip(*cells):
        drawing.add_row(*map(Text, row))
    return heading + render(drawing, color=color, width=width)


def fits(columns: Sequence[Column], *, width: int | None = None) -> bool:
    """Whether a table of these columns fits without breaking a word. width: of the terminal, None for the current one."""
    cells = [[_shown(column, value) for value in _plain(column)] for column in columns]
    return sum(map(_narrowest, columns, cells)) <= _room(columns, width)


def _room(columns: Sequence[Column], width: int | None) -> int:
    """The cells available to the contents of a table's columns."""
    from rich.console import Console

    return (width or Console().width) - _GAP * len(columns)


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], *, width: int | None) -> list[int]:
    """The width of each column in cells: what it needs, with the remaining space given to the narrowest columns that can use
    it."""
    from rich.cells import cell_len

    widths = list(map(_narrowest, columns, cells))
    whole = [max(map(cell_len, [*own, printable(column.name)])) for column, own in zip(columns, cells)]
    for _ in range(_room(columns, width) - sum(widths)):
        growing = [k for k in range(len(widths)) if widths[k] < whole[k]]
        if not growing:
            break
        widths[min(growing, key=widths.__getitem__)] += 1
    return widths


def _narrowest(column: Column, cells: Sequence[str]) -> int:
    """The minimum width of a column in cells, so that only words longer than `_LONG_WORD` are broken."""
    from rich.cells import cell_len

    if column.format != TEXT:
        return max(map(cell_len, [*cells, *printable(column.name).split()]), default=0)
    words = [word for cell in cells for word in cell.split()]
    longest = _LONG_WORD if any(len(cell.split()) > 1 for cell in cells) else _LONG_NAME
    return min(longest, max(map(cell_len, [*words, *printable(column.name).split()]), default=0))


def facts(values: Mapping[str, str], *, title: str | None = None, color: bool = True, width: int | None = None) -> str:
    """Names and values, one per line, for a terminal. The title is printed above."""
    from rich.table import Table
    from rich.text import Text

    drawing = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    drawing.add_column(no_wrap=True)
    drawing.add_column(overflow="fold")
    for name, value in values.items():
        drawing.add_row(Text(printable(name), style="" if title else "bold"), Text(printable(value)))
    heading = render(Text(printable(title), style="bold"), color=color, width=width) if title else ""
    return heading + render(drawing, color=color, width=width)


def render(drawing: Any, *, color: bool = True, width: int | None = None) -> str:
    """Renders a rich object as text for a terminal."""
    import io
    import os

    from rich.console import Console

    plain = not color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    target = io.StringIO()
    console = Console(
        file=target, force_terminal=not plain, no_color=plain, width=width, highlight=False, markup=False, emoji=False,
        legacy_windows=False,
    )  # fmt: skip
    console.print(drawing)
    return target.getvalue()


def _plain_table():
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")


def turned(columns: list[Column]) -> list[Column]:
    """Transposes rows and columns, as text for a terminal: few rows with many numbers are easier to read vertically."""
    first, *others = columns
    names = Column(first.name, [column.name for column in others])
    return [names] + [
        Column(first.values[row], [_shown(column, _plain(column)[row]) for column in others], align="right")
        for row in range(len(first.values))
    ]


def bar(share: float, *, width: int = 12) -> str:
    """A share of 1 as a bar of block characters: 0.5 is half of `width`."""
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def shade(share: float) -> str:
    """A share of 1 as a shade: up to a quarter, half, three quarters, all; a blank for 0."""
    return "░▒▓█"[min(4, math.ceil(4 * share)) - 1] if share > 0 else " "


def _missing(value: Any) -> bool:
    return value is None or value != value


def _shown(column: Column, value: Any) -> str:
    if _missing(value):
        return "-"
    if column.format == TEXT:
        return printable(value)
    format = column.shown or column.format
    if format.endswith("g"):
        return significant(value)
    sign = "+" if "+" in format else ""
    return f"{value:{sign},.{_digits(format)}f}"


def _digits(format: str) -> int:
    """The number of decimals: 2 for `%.2f` and `%+.2f`, 0 for `%d`."""
    return 0 if format == WHOLE else int(format.partition(".")[2][:-1])
