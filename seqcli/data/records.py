"""The records of any input: lines of a file or standard input, a column of a table, a data set of the Hub.

A table is a .tsv, .csv, .json, .jsonl or .parquet file, whose columns are read a batch of rows at a time, with one module for each
format. The format follows from the file name unless it is given. Cells become text whatever their type; null and NaN become the
empty text, a list or an object is an InputError with its row. Blank lines at the end are not rows.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from seqcli import ranges
from seqcli.data import arrow_rows, hub, json_rows, lines, tsv
from seqcli.data.columns import ColumnChoice, ColumnSpec, Rows
from seqcli.data.files import SPREADSHEETS, compression, unpacked_name
from seqcli.data.lines import BLOCK_BYTES, Block, block_of
from seqcli.data.paths import is_hub
from seqcli.errors import InputError, UsageError, listed

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


def has_columns(path: str, format: str | None = None) -> bool:
    return is_hub(path) or is_table(path, format)


def check_readable(paths: Sequence[str], *, text_column: str | None = None, format: str | None = None) -> None:
    """Checks, before any work, that every file can be opened, and that columns are named only for tables."""
    if format is not None:
        ranges.chosen("format", format, FORMATS)
    for path in paths:
        if is_hub(path):
            hub.check(path)
        elif not _is_stream(path):  # reading a stream would lose its data
            with lines.opened(path):
                pass
    if text_column and not any(has_columns(path, format) for path in paths):
        raise UsageError(f"--text-column needs {NAMED} or an hf: data set", where=listed(paths))


def _is_stream(path: str) -> bool:
    """A pipe or a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def read_blocks(
    path: str,
    *,
    column: ColumnChoice = None,
    keep: Sequence[ColumnChoice] = (),
    size: int = BLOCK_BYTES,
    format: str | None = None,
    blank_end: Callable[[int], None] | None = None,
    **reading,
) -> Iterator[Block]:
    """The records of `path`, block by block.

    column: of a table; None takes the first of text, sentence, document, review that the file has. keep: further columns to
    read. size: of blocks of lines, in bytes. format: one of `FORMATS`, None to use the file name. blank_end: as for
    `lines.read_table_lines`. Raises UsageError if a column is named but the file consists of lines.
    """
    if is_hub(path):
        return blocks_of(hub.read_rows(path, [column, *keep]))
    kind = kind_of(path, format)
    if kind is None:
        check_lines(path, column, keep)
        return lines.read_blocks(path, size=size, **reading)
    if kind == "tsv":  # cells cannot contain line feeds, so the columns need not be split and joined again
        return (
            Block(first, text, replaced, kept=tuple(zip(*map(tsv.records, kept))), apart=True)
            for first, (text, *kept), replaced in tsv.read_columns(
                path, [column, *keep], blank_end=blank_end, **reading
            )
        )
    return blocks_of(read_rows(path, [column, *keep], format=format, blank_end=blank_end, **reading))


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


def check_lines(path: str, column: ColumnChoice, keep: Sequence[ColumnChoice] = ()) -> None:
    """Raises UsageError if a column of a file of lines is requested by name."""
    spec = ColumnSpec("text", (), name=column) if isinstance(column, str) else column
    if keep or (spec and spec.name is not None):
        option = "--keep" if not (spec and spec.name is not None) else f"--{spec.holds}-column"
        cure = "use --format if the file name does not tell the format"
        raise UsageError(f"{option} needs {NAMED}", where=lines.shown(path), cure=cure)
