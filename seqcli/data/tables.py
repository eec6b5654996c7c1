"""Columns of .tsv, .csv, .jsonl and .parquet files, a batch of rows at a time.

`.tsv` is split on tabs, raw: quotes mean nothing. `.csv` follows RFC 4180 (pyarrow reads it). A column is named by its
header, or `#N` (from 1) in a .tsv or .csv without one. A cell is text whatever type the file gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from seqcli.data.lines import Block, block_of, opened
from seqcli.data.lines import read_blocks as read_lines
from seqcli.errors import InputError, UsageError, nearest

TEXT_COLUMNS = ("text", "sentence", "document", "review")
_ROWS = 4096
_LARGEST_CSV_ROW = 1 << 24  # bytes


class Rows(NamedTuple):
    """first: number of the first row, from 1, without the header; cells: one tuple a row, a cell per asked column."""

    first: int
    cells: list[tuple[str, ...]]


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
    for first, cells in read_rows(path, [column, *keep], encoding=encoding, strict=strict):
        yield block_of([row[0] for row in cells], first=first, kept=[row[1:] for row in cells])


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
    else:
        if kind == "parquet" and path.endswith(".gz"):
            raise InputError("a gzipped Parquet file cannot be read in pieces", where=path, cure="unpack it first")
        yield from _arrow(path, columns, kind, encoding)


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
        yield Rows(first, cells)
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
                if value.get(name) is None:
                    raise InputError(f"no field {name!r}", where=f"{path}, line {line}", cure=nearest(name, value))
                row.append(value[name] if isinstance(value[name], str) else json.dumps(value[name], ensure_ascii=False))
            cells.append(tuple(row))
        yield Rows(block.first, cells)


def _arrow(path: str, columns: Sequence[str | None], kind: str, encoding: str | None) -> Iterator[Rows]:
    import pyarrow  # 0.2 s, only for these two formats

    first = 1
    places = None
    try:
        with opened(path) as file:
            for batch in (_parquet if kind == "parquet" else _csv)(file, columns, encoding):
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
        raise InputError(f"not {kind} ({message})", where=path) from None


def _csv(file, columns: Sequence[str | None], encoding: str | None) -> Iterator:
    import pyarrow
    from pyarrow import csv

    header = not _by_number(columns)
    return csv.open_csv(
        file,
        read_options=csv.ReadOptions(
            autogenerate_column_names=not header, encoding=encoding or "utf8", block_size=_LARGEST_CSV_ROW
        ),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        # Text as it stands: a type inferred from the first rows would turn 007 into 7.
        convert_options=csv.ConvertOptions(default_column_type=pyarrow.string(), strings_can_be_null=False),
    )


def _parquet(file, columns: Sequence[str | None], encoding: str | None) -> Iterator:
    from pyarrow import parquet

    return parquet.ParquetFile(file).iter_batches(batch_size=_ROWS)


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


