"""Fields of JSON objects: one per line (.jsonl, .ndjson), or all in one array (.json).

A .json file may be either; its first character decides. The objects of an array are parsed one at a time, so that only the
text is in memory, not all its values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from seqcli.data.columns import MISSING, ColumnChoice, ColumnSpec, Rows, cells_of, field_names, field_of, spec_of
from seqcli.data.lines import LONE_SURROGATE, Block, read_blocks, without_blank_end
from seqcli.errors import InputError, nearest

_TOGETHER = 4096  # objects of an array
_SPACE = " \t\r\n"
_LARGEST = 1 << 26  # characters of one object


def read_rows(
    path: str, columns: Sequence[ColumnChoice], *, strict: bool = False, array: bool = False,
    blank_end: Callable[[int], None] | None = None, **reading,
) -> Iterator[Rows]:  # fmt: skip
    """Rows of the requested fields. array: the file may contain one array of objects; blank_end: as for
    `lines.read_table_lines`.

    Raises UsageError for a field that the first object lacks, InputError for a line that is not a JSON object or lacks a
    field.
    """
    blocks = read_blocks(path, strict=strict, **reading)
    fields = _Fields(columns, strict=strict)
    first = next(blocks, None)
    while first is not None and array and not first.data.strip():  # blank lines before it
        first = next(blocks, None)
    if first is None:
        return
    blocks = chain([first], blocks)
    if array and first.data.lstrip().startswith(b"["):
        yield from _array(path, blocks, fields)
        return
    for block in without_blank_end(blocks, blank_end or (lambda _: None)):
        cells = []
        for line, record in enumerate(block.records(), block.first):
            where = f"{path}, line {line}"
            cells.append(fields.of(_object(record, where), where) if record.strip() else fields.blank)
        yield Rows(block.first, cells, block.replaced + fields.replaced())


def _object(record: str, where: str) -> dict[str, object]:
    try:
        value = json.loads(record)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"not JSON ({error})", where=where, cure="write one object per line, or all in one array"
        ) from None
    if not isinstance(value, dict):
        cure = "name the file .json, or give --format json" if isinstance(value, list) else None
        raise InputError("not a JSON object", where=where, cure=cure)
    return value


def _array(path: str, blocks: Iterator[Block], fields: _Fields) -> Iterator[Rows]:
    first, replaced = 1, [0]
    cells: list[tuple[str, ...]] = []
    for number, value in enumerate(_elements(path, blocks, replaced), 1):
        where = f"{path}, row {number}"
        if not isinstance(value, dict):
            raise InputError("not a JSON object", where=where)
        cells.append(fields.of(value, where))
        if len(cells) == _TOGETHER:
            yield Rows(first, cells, replaced[0] + fields.replaced())
            first, replaced[0], cells = number + 1, 0, []
    yield Rows(first, cells, replaced[0] + fields.replaced())


def _elements(path: str, blocks: Iterator[Block], replaced: list[int]) -> Iterator[object]:
    """The elements of an array; the number of malformed sequences is added to `replaced`."""
    decoder, text, place, more = json.JSONDecoder(), "", 0, True

    def fill() -> bool:
        nonlocal text, place, more
        block = next(blocks, None)
        more = block is not None
        if block is not None:
            replaced[0] += block.replaced
            text, place = text[place:] + block.data.decode(), 0
        return more

    def skip() -> str:
        """The next character that is not white space, or "" at the end."""
        nonlocal place
        while True:
            while place < len(text) and text[place] in _SPACE:
                place += 1
            if place < len(text) or not fill():
                return text[place : place + 1]

    number = 0
    assert skip() == "["
    place += 1
    if skip() == "]":
        place += 1
    else:
        while True:
            number += 1
            skip()
            while True:
                try:
                    value, end = decoder.raw_decode(text, place)
                except (ValueError, RecursionError) as error:
                    if isinstance(error, RecursionError) or len(text) - place > _LARGEST or not fill():
                        what = f"not JSON ({getattr(error, 'msg', error)})"
                        raise InputError(what, where=f"{path}, row {number}") from None
                    continue
                if end == len(text) and fill():  # a number may continue in the next block
                    continue
                break
            place = end
            yield value
            separator = skip()
            place += 1
            if separator == "]":
                break
            if separator != ",":
                raise InputError(
                    "the array is not closed" if not separator else "expected , or ] after it",
                    where=f"{path}, row {number}",
                )
    if skip():
        raise InputError("text after the array", where=path)


class _Fields:
    """Extracts the requested fields of objects; which of the usual names is used follows from the first object."""

    def __init__(self, columns: Sequence[ColumnChoice], *, strict: bool):
        self._wanted = list(map(spec_of, columns))
        self._names: list[str] = []  # empty before the first object
        self._strict, self._replaced = strict, 0
        self.blank = ("",) * len(self._wanted)

    def replaced(self) -> int:
        """The number of lone surrogates replaced by U+FFFD since the last call."""
        count, self._replaced = self._replaced, 0
        return count

    def of(self, value: dict[str, object], where: str) -> tuple[str, ...]:
        begun = bool(self._names)
        if not begun:
            known = list(field_names(value))
            if not known:
                raise InputError("an object without fields", where=where)
            self._names = [column.found(known, where=where, kind="field") for column in self._wanted]
        return tuple(self._cell(value, column, name, where, begun) for column, name in zip(self._wanted, self._names))

    def _cell(self, value: dict[str, object], column: ColumnSpec, name: str, where: str, begun: bool) -> str:
        found = field_of(value, name)
        if found is MISSING:
            if not (column.may_lack and begun):
                raise InputError(f"no field {name!r}", where=where, cure=nearest(name, field_names(value)))
            return ""
        (cell,) = cells_of([found], name, lambda _: where)
        if cell.isascii():
            return cell
        cell, halves = LONE_SURROGATE.subn("\ufffd", cell)  # JSON can contain lone surrogates: "\ud800"
        self._replaced += halves
        if halves and self._strict:
            raise InputError("lone surrogate (half a character)", where=where, cure="leave out --strict to replace it")
        return cell
