"""The records of any input: lines of a file or standard input, a column of a table, a data set of the Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from seqcli.data import hub, lines, tables
from seqcli.data.lines import BLOCK_BYTES, Block
from seqcli.errors import UsageError


def has_columns(path: str, format: str | None = None) -> bool:
    return hub.is_hub(path) or tables.is_table(path, format)


def read_blocks(
    path: str,
    *,
    column: tables.ColumnChoice = None,
    keep: Sequence[tables.ColumnChoice] = (),
    size: int = BLOCK_BYTES,
    format: str | None = None,
    blank_end: Callable[[int], None] | None = None,
    **reading,
) -> Iterator[Block]:
    """The records of `path`, block by block.

    column: of a table; None takes the first of text, sentence, document, review that the file has. keep: further columns to
    read. size: of blocks of lines, in bytes. format: one of `tables.FORMATS`, None to use the file name. blank_end: as for
    `lines.read_table_lines`. Raises UsageError if a column is named but the file consists of lines.
    """
    if hub.is_hub(path):
        return tables.blocks_of(hub.read_rows(path, [column, *keep]))
    if tables.is_table(path, format):
        return tables.read_blocks(path, column=column, keep=keep, format=format, blank_end=blank_end, **reading)
    check_lines(path, column, keep)
    return lines.read_blocks(path, size=size, **reading)


def check_lines(path: str, column: tables.ColumnChoice, keep: Sequence[tables.ColumnChoice] = ()) -> None:
    """Raises UsageError if a column of a file of lines is requested by name."""
    wanted = tables.ColumnSpec("text", (), name=column) if isinstance(column, str) else column
    if keep or (wanted and wanted.name is not None):
        option = "--keep" if not (wanted and wanted.name is not None) else f"--{wanted.holds}-column"
        cure = "use --format if the file name does not tell the format"
        raise UsageError(f"{option} needs {tables.NAMED}", where=lines.shown(path), cure=cure)
