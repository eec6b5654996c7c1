"""Columns of .tsv, .csv, .jsonl and .parquet files, a batch of rows at a time.

`.tsv` is split on tabs, raw: quotes mean nothing. `.csv` follows RFC 4180 (pyarrow reads it; CR LF in a cell becomes
LF). A column is named by its header, or `#N` (from 1) in a .tsv or .csv without one. A cell is text whatever type the
file gives it.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from seqcli.data.lines import Block, block_of, opened
from seqcli.data.lines import read_blocks as read_lines
from seqcli.errors import InputError, UsageError, nearest

TEXT_COLUMNS = ("text", "sentence", "document", "review")
_ROWS = 4096
_LARGEST_CSV_ROW = 1 << 24  # bytes


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
    path: str, *, column: str | None = None, keep: Sequence[str] = (), encoding: str | None = None, strict: bool = False
) -> Iterator[Block]:
    """The records of a text column, other columns kept beside them.

    column: None takes the first of text, sentence, document, review that the file has.
    """
    for first, cells, replaced in read_rows(path, [column, *keep], encoding=encoding, strict=strict):
        block = block_of([row[0] for row in cells], first=first, kept=[row[1:] for row in cells])
        yield dataclasses.replace(block, replaced=replaced)


def read_rows(
    path: str, columns: Sequence[str | None], *, encoding: str | None = None, strict: bool = False
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


def _places(columns: Sequence[str | None], header: list[str], path: str) -> list[int]:
    """Where the columns stand in a row; `#N` by number, names by `header`."""
    places = []
    for column in columns:
        if column is None:
            known = [name for name in TEXT_COLUMNS if name in header]
            if not known:
                raise UsageError(
                    "which column is the text?", where=path, cure=f"--text-column, one of {', '.join(header)} or #N"
                )
            column = known[0]
        if column.startswith("#") and column[1:].isdigit() and int(column[1:]) > 0:
            places.append(int(column[1:]) - 1)
        elif column in header:
            places.append(header.index(column))
        else:
            raise UsageError(f"no column {column!r}", where=path, cure=nearest(column, header))
    return places


def _by_number(columns: Sequence[str | None]) -> bool:
    """All columns given as `#N`: the file has no header."""
    return all(column is not None and column.startswith("#") for column in columns)


def _tsv(path: str, columns: Sequence[str | None], **reading) -> Iterator[Rows]:
    places = _places(columns, [], path) if _by_number(columns) else None
    first = 1
    for block in read_lines(path, **reading):
        records = block.records()
        number = block.first
        if places is None:
            places = _places(columns, records.pop(0).split("\t"), path)
            number += 1
        cells = []
        for line, record in enumerate(records, number):
            fields = record.split("\t")
            try:
                cells.append(tuple(fields[place] for place in places))
            except IndexError:
                raise InputError(
                    f"{len(fields)} fields, column {max(places) + 1} is wanted", where=f"{path}, line {line}"
                ) from None
        yield Rows(first, cells, block.replaced)
        first += len(cells)


def _jsonl(path: str, columns: Sequence[str | None], **reading) -> Iterator[Rows]:
    for block in read_lines(path, **reading):
        cells = []
        for line, record in enumerate(block.records(), block.first):
            try:
                value = json.loads(record)
            except (ValueError, RecursionError) as error:
                raise InputError(f"not JSON ({error})", where=f"{path}, line {line}") from None
            if not isinstance(value, dict):
                raise InputError("not a JSON object", where=f"{path}, line {line}")
            row = []
            for column in columns:
                name = column or next((name for name in TEXT_COLUMNS if name in value), None)
                if name is None:
                    cure = f"--text-column, one of {', '.join(value)}"
                    raise UsageError("which field is the text?", where=f"{path}, line {line}", cure=cure)
                if name not in value:
                    raise InputError(f"no field {name!r}", where=f"{path}, line {line}", cure=nearest(name, value))
                if value[name] is None:
                    raise InputError(f"field {name!r} is null", where=f"{path}, line {line}")
                cell = value[name] if isinstance(value[name], str) else json.dumps(value[name], ensure_ascii=False)
                row.append(cell.encode("utf-8", "replace").decode())  # JSON can spell half a character: "\ud800"
            cells.append(tuple(row))
        yield Rows(block.first, cells, block.replaced)


class _Text(io.RawIOBase):
    """Blocks of lines as the file that pyarrow reads."""

    def __init__(self, blocks: Iterator[Block]):
        self._blocks, self._rest = blocks, memoryview(b"")
        self.replaced = self.quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self._rest and (block := next(self._blocks, None)):
            self._rest = memoryview(block.data)
            self.replaced += block.replaced
            self.quotes += block.data.count(b'"')
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _arrow(path: str, columns: Sequence[str | None], batches: Callable, file) -> Iterator[Rows]:
    import pyarrow  # 0.2 s, only for these two formats

    first = 1
    places = None
    try:
        for batch in batches(file, columns):
            if places is None:
                places = _places(columns, batch.schema.names, path)
                if max(places) >= batch.num_columns:
                    raise UsageError(f"{batch.num_columns} columns, #{max(places) + 1} is wanted", where=path)
            texts = [[_cell(value) for value in batch.column(place).to_pylist()] for place in places]
            for begin in range(0, batch.num_rows, _ROWS):
                cells = list(zip(*(text[begin : begin + _ROWS] for text in texts)))
                yield Rows(first, cells)
                first += len(cells)
    except pyarrow.ArrowException as error:
        message = str(error).split("\n")[0]
        if "Empty CSV file" in message:
            return
        raise InputError(f"not {kind_of(path)} ({message})", where=path) from None


def _csv(file: _Text, columns: Sequence[str | None]) -> Iterator:
    import pyarrow
    from pyarrow import csv

    header = not _by_number(columns)
    last = ""
    for batch in csv.open_csv(
        file,
        read_options=csv.ReadOptions(autogenerate_column_names=not header, block_size=_LARGEST_CSV_ROW),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        # Text as it stands: a type inferred from the first rows would turn 007 into 7.
        convert_options=csv.ConvertOptions(default_column_type=pyarrow.string(), strings_can_be_null=False),
    ):
        yield batch
        last = batch.column(batch.num_columns - 1)[-1].as_py() if batch.num_rows else last
    if file.quotes % 2 and last.endswith("\n"):  # pyarrow lets it pass: all that follows would be one cell
        raise pyarrow.ArrowInvalid("a quote is not closed")


def _parquet(file, columns: Sequence[str | None]) -> Iterator:
    from pyarrow import parquet

    return parquet.ParquetFile(file).iter_batches(batch_size=_ROWS)


def _cell(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else value if isinstance(value, str) else str(value)

