"""Columns of tables: how a column is found, nested fields by dotted names, and cells as text.

A column is given by the name in its header, by a path into nested fields (`translation.en`), or as `#N`, counted from 1.
Case and surrounding blanks are ignored if only one column matches.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seqcli.errors import InputError, UsageError, listed, nearest
from seqcli.text import nfc

TEXT_COLUMNS = ("text", "sentence", "document", "review")
MISSING = object()  # marks a missing field, as opposed to null
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}
_PLAIN = (int, float, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)


@dataclass(frozen=True)
class ColumnSpec:
    """A column by its content: the first of the `usual` names that the file has, unless the user gives its `name`.

    may_lack: JSON objects after the first may lack it; the cell is then empty, as for null.
    """

    holds: str
    usual: tuple[str, ...]
    name: str | None = None
    may_lack: bool = False

    def found(self, names: Sequence[str], *, where: str, kind: str = "column") -> str:
        """The name of the column. Raises UsageError if the user has to choose one."""
        if self.name is not None:
            return matching(self.name, names) or self.name
        exact = (name for name in self.usual if name in names)
        known = next(exact, None) or next((each for name in self.usual if (each := matching(name, names))), None)
        if known is None:
            cure = f"use --{self.holds}-column with one of {listed(names)}" + (" or #N" if kind == "column" else "")
            cure = (_other_format(names) if kind == "column" else None) or cure
            raise UsageError(f"no {self.holds} {kind} chosen", where=where, cure=cure)
        return known


def folded(name: str) -> str:
    """A column's name without differences that users overlook: case, surrounding blanks, the Unicode form of accents."""
    return nfc(name).strip().casefold()


def matching(name: str, names: Sequence[str]) -> str | None:
    """The column called `name`, or else the only one with the same folded name."""
    if name in names:
        return name
    alike = {each for each in names if folded(each) == folded(name)}
    return alike.pop() if len(alike) == 1 else None


TEXT = ColumnSpec("text", TEXT_COLUMNS)
ColumnChoice = str | ColumnSpec | None  # a name or `#N`; None is TEXT


class Rows(NamedTuple):
    """A batch of rows. first: number of the first row, from 1, not counting the header; cells: a tuple for each row, with a
    cell for each requested column.

    replaced: malformed UTF-8 sequences replaced by U+FFFD while these rows were read.
    """

    first: int
    cells: list[tuple[str, ...]]
    replaced: int = 0


def spec_of(column: ColumnChoice) -> ColumnSpec:
    return TEXT if column is None else ColumnSpec("text", (), name=column) if isinstance(column, str) else column


def numbered(columns: Sequence[ColumnChoice]) -> bool:
    """Whether all columns are given as `#N`, so that the file has no header."""
    return all((spec_of(column).name or "").startswith("#") for column in columns)


def place_of(column: str) -> int | None:
    """The index, from 0, that `#N` stands for; None for a name."""
    number = column[1:]
    return (
        int(number) - 1
        if column.startswith("#") and number.isascii() and number.isdigit() and int(number[:9]) > 0
        else None
    )


def places_of(columns: Sequence[ColumnChoice], names: Sequence[str], path: str) -> list[int]:
    """The indices of the columns among all `names`, the first of which is `#1`. Raises UsageError for an unknown column."""
    places = []
    for column in columns:
        name = spec_of(column).found(names, where=path)
        place = place_of(name)
        if place is None and name not in names:
            raise UsageError(f"no column {name!r}", where=path, cure=_other_format(names) or nearest(name, names))
        if place is None and names.count(name) > 1:
            raise UsageError(
                f"{names.count(name)} columns are called {name!r}", where=path, cure="rename all but one in the header"
            )
        places.append(names.index(name) if place is None else place)
    if max(places) >= len(names):
        raise UsageError(
            f"no column #{max(places) + 1}; the table has {len(names):,} column{'s' * (len(names) > 1)}", where=path
        )
    return places


def _other_format(names: Sequence[str]) -> str | None:
    """The cure for a header that was written for another format; None if it was not."""
    if not any(names):
        return "its first line, which names the columns, is blank: remove it"
    if len(names) == 1 and (mark := next((mark for mark in _SEPARATORS if mark in names[0]), None)):
        return f"its columns are separated by {_SEPARATORS[mark]}: separate them by commas as .csv or by tabs as .tsv"
    if len(names) > 1 and all(
        len(name) > 1 and name[0] == name[-1] == names[0][0] and name[0] in "\"'" for name in names
    ):
        return "its cells are quoted for another format: .tsv has no quotes, .csv has double quotes"
    return None


# --- fields inside objects --------------------------------------------------------------------------------------------


def field_names(value: Mapping[str, object]) -> Iterator[str]:
    """The names of an object's fields, dotted for nested objects: `translation.en`."""
    for name, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from (f"{name}.{each}" for each in field_names(inner))
        else:
            yield name


def field_of(value: Mapping[str, object], name: str) -> object:
    """The field with this name, which may be dotted; null if an object on the path is null, MISSING if there is no such field."""
    if name in value:
        return value[name]
    dot = name.find(".")
    while dot >= 0:
        inner = value.get(name[:dot], MISSING)
        if inner is None:
            return None
        if isinstance(inner, Mapping) and (found := field_of(inner, name[dot + 1 :])) is not MISSING:
            return found
        dot = name.find(".", dot + 1)
    return MISSING


# --- cells as text ----------------------------------------------------------------------------------------------------


def cells_of(values: Sequence[object], name: str, where: Callable[[int], str]) -> list[str]:
    """The values of column `name` as text. where: gives the position of the k-th value, for errors."""
    return [value if isinstance(value, str) else _cell(value, name, where, k) for k, value in enumerate(values)]


def _cell(value: object, name: str, where: Callable[[int], str], k: int) -> str:
    if value is None or value != value:  # NaN, which pandas writes for null
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"  # as in JSON
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        fields = [f"{name}.{each}" for each in field_names(value)]
        cure = f"choose one of its fields: {listed(fields)}" if fields else "choose another column"
        raise InputError(f"{name!r} is an object, not text", where=where(k), cure=cure)
    kind = "a list" if isinstance(value, Sequence) else f"of type {type(value).__name__}"
    raise InputError(
        f"{name!r} is {kind}, not text", where=where(k), cure="convert it to text first, or choose another column"
    )
