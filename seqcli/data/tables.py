"""Columns of .tsv, .csv, .jsonl and .parquet files, a batch of rows at a time.

`.tsv` is split on tabs, raw: quotes mean nothing. `.csv` follows RFC 4180 (pyarrow reads it; CR LF in a cell becomes
LF). A column is named by its header, or `#N` (from 1) in a .tsv or .csv without one. A cell is text whatever type the
file gives it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from seqcli.data.lines import LONE_SURROGATE, Block, block_of, opened
from seqcli.data.lines import read_blocks as read_lines
from seqcli.errors import InputError, UsageError, listed, nearest

TEXT_COLUMNS = ("text", "sentence", "document", "review")
_NO_BREAKS = bytes(byte for byte in range(256) if byte not in b"\t\n")
_ROWS = 4096
_LARGEST_CSV_ROW = 1 << 24  # bytes


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A column by what it holds: the first of `usual` that the file has, unless the user gives its `name`.

    may_lack: a JSON object after the first may be without it or have null there; that is an empty cell, as in the
    other formats.
    """

    holds: str
    usual: tuple[str, ...]
    name: str | None = None
    may_lack: bool = False

    def found(self, names: Sequence[str], *, where: str, kind: str = "column") -> str:
        """Its name. Raises UsageError where the user has to say."""
        if self.name is not None:
            return self.name
        known = next((name for name in self.usual if name in names), None)
        if known is None:
            cure = f"--{self.holds}-column, one of {listed(names)}" + (" or #N" if kind == "column" else "")
            raise UsageError(f"which {kind} is the {self.holds}?", where=where, cure=cure)
        return known


TEXT = Wanted("text", TEXT_COLUMNS)
Asked = str | Wanted | None  # a name or `#N`; None is TEXT


def _wanted(column: Asked) -> Wanted:
    return TEXT if column is None else Wanted("text", (), name=column) if isinstance(column, str) else column


class Rows(NamedTuple):
    """first: number of the first row, from 1, without the header; cells: one tuple a row, a cell per asked column.

    replaced: malformed UTF-8 sequences that became U+FFFD while these rows were read.
    """

    first: int
    cells: list[tuple[str, ...]]
    replaced: int = 0


def kind_of(path: str) -> str | None:
    """"tsv", "csv", "jsonl" or "parquet" by the name (`.gz` put aside), else None."""
    suffix = PurePath(path.removesuffix(".gz")).suffix.lower().removeprefix(".")
    return suffix if suffix in ("tsv", "csv", "jsonl", "parquet") else None


def is_table(path: str) -> bool:
    return kind_of(path) is not None


def read_blocks(
    path: str, *, column: Asked = None, keep: Sequence[Asked] = (), encoding: str | None = None, strict: bool = False
) -> Iterator[Block]:
    """The records of a text column, other columns kept beside them.

    column: None takes the first of text, sentence, document, review that the file has.
    """
    if kind_of(path) == "tsv":  # cells without line feeds: what was split need not be searched and joined again
        return (
            Block(first, text, replaced, kept=tuple(zip(*map(_lines, kept))))
            for first, (text, *kept), replaced in _tsv_columns(path, [column, *keep], encoding=encoding, strict=strict)
        )
    return blocks_of(read_rows(path, [column, *keep], encoding=encoding, strict=strict))


def blocks_of(rows: Iterator[Rows]) -> Iterator[Block]:
    """Rows as blocks: the first cell is the record, the others are kept."""
    for first, cells, replaced in rows:
        block = block_of([row[0] for row in cells], first=first, kept=[row[1:] for row in cells])
        yield dataclasses.replace(block, replaced=replaced)


def read_rows(
    path: str, columns: Sequence[Asked], *, encoding: str | None = None, strict: bool = False
) -> Iterator[Rows]:
    """The asked columns of `path`; None asks for the text column.

    Raises UsageError for a column that is not there, InputError for a row that has no such cell.
    """
    kind = kind_of(path)
    if kind == "tsv":
        yield from _tsv(path, columns, encoding=encoding, strict=strict)
    elif kind == "jsonl":
        yield from _jsonl(path, columns, encoding=encoding, strict=strict)
    elif kind == "csv":
        text = _Text(read_lines(path, encoding=encoding, strict=strict))
        for rows in _arrow(path, columns, _csv, text):
            yield rows._replace(replaced=text.replaced)
            text.replaced = 0
    else:
        if path.endswith(".gz"):
            raise InputError("a gzipped Parquet file cannot be read in pieces", where=path, cure="unpack it first")
        with opened(path) as file:
            yield from _arrow(path, columns, _parquet, file)


def _places(columns: Sequence[Asked], header: list[str], path: str) -> list[int]:
    """Where the columns stand in a row; `#N` by number, names by `header`."""
    places = []
    for column in columns:
        column = _wanted(column).found(header, where=path)
        if column.startswith("#") and column[1:].isdigit() and int(column[1:]) > 0:
            places.append(int(column[1:]) - 1)
        elif column in header:
            places.append(header.index(column))
        else:
            raise UsageError(f"no column {column!r}", where=path, cure=nearest(column, header))
    return places


def places_of(columns: Sequence[Asked], names: list[str], path: str) -> list[int]:
    """Where the columns stand among all `names`, the first of which is `#1`."""
    places = _places(columns, names, path)
    if max(places) >= len(names):
        raise UsageError(f"{len(names)} columns, #{max(places) + 1} is wanted", where=path)
    return places


def _by_number(columns: Sequence[Asked]) -> bool:
    """All columns given as `#N`: the file has no header."""
    return all((_wanted(column).name or "").startswith("#") for column in columns)


def _tsv(path: str, columns: Sequence[Asked], **reading) -> Iterator[Rows]:
    for first, found, replaced in _tsv_columns(path, columns, **reading):
        yield Rows(first, list(zip(*map(_lines, found))), replaced)


def _lines(column: bytes) -> list[str]:
    return column.decode().split("\n")[:-1]


def _tsv_columns(path: str, columns: Sequence[Asked], **reading) -> Iterator[tuple[int, list[bytes], int]]:
    """As Rows, but each asked column as lines."""
    places = _places(columns, [], path) if _by_number(columns) else None
    first = 1
    for block in read_lines(path, **reading):
        data, number = block.data, block.first
        if places is None:
            header, _, data = data.partition(b"\n")
            places = _places(columns, header.decode().split("\t"), path)
            number += 1
        yield first, _split(data, places, path, number), block.replaced
        first += data.count(b"\n")


def _split(data: bytes, places: list[int], path: str, first: int) -> list[bytes]:
    """The columns at `places` of tab-separated rows, the first of which is line `first`."""
    breaks = data.translate(None, _NO_BREAKS)
    width = breaks.find(b"\n") + 1  # of the first row
    if max(places) < width and breaks == breaks[:width] * (len(breaks) // width):
        fields = data.replace(b"\n", b"\t").split(b"\t")[:-1]  # all rows are alike: split at once
        return [b"\n".join(fields[place::width]) + b"\n" for place in places]
    columns = [[] for _ in places]
    for line, row in enumerate(data.split(b"\n")[:-1], first):
        fields = row.split(b"\t") if row else [b""] * (max(places) + 1)
        if len(fields) <= max(places):
            raise InputError(f"{len(fields)} fields, column {max(places) + 1} is wanted", where=f"{path}, line {line}")
        for column, place in zip(columns, places):
            column.append(fields[place] + b"\n")
    return list(map(b"".join, columns))


def _jsonl(path: str, columns: Sequence[Asked], *, encoding: str | None, strict: bool) -> Iterator[Rows]:
    wanted, seen = list(map(_wanted, columns)), False
    for block in read_lines(path, encoding=encoding, strict=strict):
        cells, halves = [], 0
        for line, record in enumerate(block.records(), block.first):
            where = f"{path}, line {line}"
            try:
                value = json.loads(record)
            except (ValueError, RecursionError) as error:
                raise InputError(f"not JSON ({error})", where=where) from None
            if not isinstance(value, dict):
                raise InputError("not a JSON object", where=where)
            row = []
            for column in wanted:
                name = column.found(value, where=where, kind="field")
                if column.may_lack and value.get(name) is None and (seen or name in value):
                    row.append("")
                    continue
                if name not in value:
                    raise InputError(f"no field {name!r}", where=where, cure=nearest(name, value))
                if value[name] is None:
                    raise InputError(f"field {name!r} is null", where=where)
                cell = value[name] if isinstance(value[name], str) else json.dumps(value[name], ensure_ascii=False)
                if not cell.isascii():  # JSON can spell half a character: "\ud800"
                    cell, found = LONE_SURROGATE.subn("\ufffd", cell)
                    halves += found
                    if found and strict:
                        cure = "drop --strict to replace it"
                        raise InputError("half a character (a lone surrogate)", where=where, cure=cure)
                row.append(cell)
            cells.append(tuple(row))
            if not seen:
                wanted = [
                    dataclasses.replace(column, name=column.found(value, where=where)) if column.may_lack else column
                    for column in wanted
                ]
                seen = True
        yield Rows(block.first, cells, block.replaced + halves)


class _Text(io.RawIOBase):
    """Blocks of lines as the file that pyarrow reads."""

    def __init__(self, blocks: Iterator[Block]):
        self._blocks, self._rest = blocks, memoryview(b"")
        self.replaced = self.quotes = 0

    def readable(self) -> bool:
        return True

    def first_row(self) -> list[str]:
        """The cells of the first row, which is yet to be read; none in an empty file."""
        self._fill()
        lines = io.StringIO(str(self._rest[:_LARGEST_CSV_ROW], "utf-8", "ignore"), newline="")
        csv.field_size_limit(_LARGEST_CSV_ROW)
        return next(csv.reader(lines), []) or ([""] if self._rest else [])

    def _fill(self) -> None:
        if not self._rest and (block := next(self._blocks, None)):
            self._rest = memoryview(block.data)
            self.replaced += block.replaced
            self.quotes += block.data.count(b'"')

    def readinto(self, buffer) -> int:
        self._fill()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _arrow(path: str, columns: Sequence[Asked], batches: Callable, file) -> Iterator[Rows]:
    import pyarrow  # 0.2 s, only for these two formats

    first = 1
    try:
        for batch in batches(file, columns, path):
            texts = [[cell_of(value) for value in column.to_pylist()] for column in batch]
            for begin in range(0, len(texts[0]), _ROWS):
                cells = list(zip(*(text[begin : begin + _ROWS] for text in texts)))
                yield Rows(first, cells)
                first += len(cells)
    except pyarrow.ArrowException as error:
        message = str(error).split("\n")[0]
        raise InputError(f"not {kind_of(path)} ({message})", where=path) from None


def _found(columns: Sequence[Asked], names: list[str], path: str) -> list[int] | list[str]:
    """The columns by name, so that no others need be read, or by place where names are not unique."""
    places = places_of(columns, names, path)
    return [names[place] for place in places] if len(set(names)) == len(names) else places


def _only(found: list[int] | list[str]) -> list[str] | None:
    """What pyarrow is asked for; None is all."""
    return list(dict.fromkeys(found)) if isinstance(found[0], str) else None


def _csv(file: _Text, columns: Sequence[Asked], path: str) -> Iterator[list]:
    import pyarrow
    from pyarrow import csv

    names = file.first_row()
    if not names:
        return
    header = not _by_number(columns)
    if not header:
        names = [f"f{number}" for number in range(len(names))]  # as pyarrow calls them
    *found, end = _found([*columns, f"#{len(names)}"], names, path)
    last = ""
    for batch in csv.open_csv(
        file,
        read_options=csv.ReadOptions(autogenerate_column_names=not header, block_size=_LARGEST_CSV_ROW),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        # Text as it stands: a type inferred from the first rows would turn 007 into 7.
        convert_options=csv.ConvertOptions(
            default_column_type=pyarrow.string(), strings_can_be_null=False, include_columns=_only([*found, end])
        ),
    ):
        yield [batch.column(column) for column in found]
        last = batch.column(end)[-1].as_py() if batch.num_rows else last
    if file.quotes % 2 and last.endswith("\n"):  # pyarrow lets it pass: all that follows would be one cell
        raise pyarrow.ArrowInvalid("a quote is not closed")


def _parquet(file, columns: Sequence[Asked], path: str) -> Iterator[list]:
    from pyarrow import parquet

    table = parquet.ParquetFile(file)
    found = _found(columns, table.schema_arrow.names, path)
    for batch in table.iter_batches(batch_size=_ROWS, columns=_only(found)):
        yield [batch.column(column) for column in found]


def cell_of(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return "true" if value else "false"  # as in JSON
    return "" if value is None else value if isinstance(value, str) else str(value)
