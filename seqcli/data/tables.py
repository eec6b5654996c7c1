"""Columns of .tsv, .csv, .json, .jsonl and .parquet files, a batch of rows at a time, with one module for each format.

The format follows from the file name unless it is given. Cells become text whatever their type; null and NaN become the
empty text, a list or an object is an InputError with its row. Blank lines at the end are not rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from seqcli.data import arrow_rows, json_rows, tsv
from seqcli.data.columns import TEXT, TEXT_COLUMNS, ColumnChoice, ColumnSpec, Rows
from seqcli.data.files import SPREADSHEETS, compression, unpacked_name
from seqcli.data.lines import Block, block_of
from seqcli.errors import InputError

__all__ = [
    "FORMATS",
    "LINES",
    "TEXT",
    "TEXT_COLUMNS",
    "ColumnChoice",
    "ColumnSpec",
    "Rows",
    "blocks_of",
    "is_table",
    "kind_of",
    "read_blocks",
    "read_rows",
]

LINES = "lines"
FORMATS = (LINES, "tsv", "csv", "jsonl", "json", "parquet")
NAMED = "a .tsv, .csv, .json, .jsonl or .parquet file"
SUFFIXES = {**{f".{name}": name for name in FORMATS[1:]}, ".ndjson": "jsonl"}


def kind_of(path: str, format: str | None = None) -> str | None:
    """ "tsv", "csv", "jsonl", "json" or "parquet" by `format` or by the file name without the suffix of a compression; None for
    lines.

    Raises InputError for a spreadsheet.
    """
    if format is not None:
        return None if format == LINES else format
    suffix = PurePath(unpacked_name(path)).suffix.lower()
    if suffix in SPREADSHEETS:
        raise InputError("is a spreadsheet", where=path, cure="save the sheet as .csv")
    return SUFFIXES.get(suffix)


def is_table(path: str, format: str | None = None) -> bool:
    return kind_of(path, format) is not None


def read_blocks(
    path: str, *, column: ColumnChoice = None, keep: Sequence[ColumnChoice] = (), **reading
) -> Iterator[Block]:
    """The records of a text column, with the columns to keep.

    column: None takes the first of text, sentence, document, review that the file has.
    """
    # cells cannot contain line feeds, so the columns need not be split and joined again
    if kind_of(path, reading.get("format")) == "tsv":
        reading.pop("format", None)
        return (
            Block(first, text, replaced, kept=tuple(zip(*map(tsv.records, kept))), apart=True)
            for first, (text, *kept), replaced in tsv.read_columns(path, [column, *keep], **reading)
        )
    return blocks_of(read_rows(path, [column, *keep], **reading))


def blocks_of(rows: Iterator[Rows]) -> Iterator[Block]:
    """Rows as blocks: the first cell is the record, the others are kept."""
    for first, cells, replaced in rows:
        block = block_of([row[0] for row in cells], first=first, kept=[row[1:] for row in cells])
        yield dataclasses.replace(block, replaced=replaced)


def read_rows(
    path: str, columns: Sequence[ColumnChoice], *, format: str | None = None, encoding: str | None = None, strict: bool = False,
    blank_end: Callable[[int], None] | None = None,
) -> Iterator[Rows]:  # fmt: skip
    """The requested columns of `path`; None requests the text column. blank_end: as for `lines.read_table_lines`.

    Raises UsageError for an unknown column, InputError for a row without such a cell.
    """
    kind = kind_of(path, format)
    if kind == "parquet":
        if compression(path):
            raise InputError("compressed Parquet files are not supported", where=path, cure="decompress it first")
        return arrow_rows.read_parquet(path, columns)
    if kind == "tsv":
        return tsv.read_rows(path, columns, encoding=encoding, strict=strict, blank_end=blank_end)
    if kind == "csv":
        return arrow_rows.read_csv(path, columns, encoding=encoding, strict=strict, blank_end=blank_end)
    array = kind == "json"
    return json_rows.read_rows(path, columns, array=array, encoding=encoding, strict=strict, blank_end=blank_end)
