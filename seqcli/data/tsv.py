"""Columns of .tsv files: split at tabs; quotes have no special meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqcli.data.columns import ColumnChoice, Rows, numbered, places_of
from seqcli.data.lines import read_table_lines
from seqcli.errors import InputError

_NO_BREAKS = bytes(byte for byte in range(256) if byte not in b"\t\n")


def read_rows(path: str, columns: Sequence[ColumnChoice], **reading) -> Iterator[Rows]:
    for first, found, replaced in read_columns(path, columns, **reading):
        yield Rows(first, list(zip(*map(records, found))), replaced)


def records(column: bytes) -> list[str]:
    return column.decode().split("\n")[:-1]


def read_columns(path: str, columns: Sequence[ColumnChoice], **reading) -> Iterator[tuple[int, list[bytes], int]]:
    """Like `Rows`, with each requested column as lines.

    Raises InputError for a row whose number of fields differs from that of the header or, without one, of the first row. A
    blank line before the last row is a row of empty cells.
    """
    places, width, first = None, 0, 1
    for block in read_table_lines(path, **reading):
        data, number = block.data, block.first
        if places is None:
            header, _, rest = data.partition(b"\n")
            names = header.decode().split("\t")
            width, places = len(names), places_of(columns, names, path)
            if not numbered(columns):
                data, number = rest, number + 1
        yield first, _split(data, places, width, path, number), block.replaced
        first += data.count(b"\n")


def _split(data: bytes, places: list[int], width: int, path: str, first: int) -> list[bytes]:
    """The columns at `places` of tab-separated rows with `width` fields. first: line number of the first row."""
    breaks = data.translate(None, _NO_BREAKS)
    row = b"\t" * (width - 1) + b"\n"
    if breaks == row * (len(breaks) // width):
        fields = data.replace(b"\n", b"\t").split(b"\t")[:-1]  # all rows have the right width: split them at once
        return [b"\n".join(fields[place::width]) + b"\n" if fields else b"" for place in places]
    columns: list[list[bytes]] = [[] for _ in places]
    blank = [b""] * width
    for line, record in enumerate(data.split(b"\n")[:-1], first):
        fields = record.split(b"\t") if width == 1 or record.strip(b" ") else blank
        if len(fields) != width:
            fields_ = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            raise InputError(
                f"{fields_} but the first line has {width}",
                where=f"{path}, line {line}",
                cure="give every row the same number of fields, or use a .csv file with quotes",
            )
        for column, place in zip(columns, places):
            column.append(fields[place] + b"\n")
    return list(map(b"".join, columns))
