"""Columns of .csv (RFC 4180; CR LF in a cell becomes LF) and .parquet files, read with pyarrow.

If the header of a .csv file has no comma, its columns may be separated by semicolons, tabs or vertical bars.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence

from seqcli.data.columns import MISSING, ColumnChoice, Rows, cells_of, field_of, numbered, place_of, places_of, spec_of
from seqcli.data.files import ByteFile, opened
from seqcli.data.lines import Block, read_table_lines
from seqcli.errors import InputError, UsageError, nearest

_ROWS = 4096
_LARGEST_CSV_ROW = 1 << 24  # bytes
Part = tuple[list[str], list[list[object]]]  # a batch of rows: the names of the requested columns, and their values


def read_csv(path: str, columns: Sequence[ColumnChoice], **reading) -> Iterator[Rows]:
    text = _Text(read_table_lines(path, **reading))
    for rows in _rows(path, "CSV", lambda: _csv(text, columns, path)):
        yield rows._replace(replaced=text.replaced)
        text.replaced = 0


def read_parquet(path: str, columns: Sequence[ColumnChoice]) -> Iterator[Rows]:
    with opened(path) as file:
        if file.seekable():
            yield from _rows(path, "Parquet", lambda: _parquet(file, columns, path))
            return
        with tempfile.TemporaryFile() as copy:  # a pipe: the description of the columns is at the end of the file
            shutil.copyfileobj(file, copy)
            yield from _rows(path, "Parquet", lambda: _parquet(copy, columns, path))


def _rows(path: str, kind: str, batches: Callable[[], Iterator[Part]]) -> Iterator[Rows]:
    import pyarrow  # takes 0.2 s, needed only for these two formats

    first = 1
    try:
        for names, columns in batches():
            number = first

            def where(k: int) -> str:
                return f"{path}, row {number + k}"  # noqa: B023 - used at once

            texts = [cells_of(values, name, where) for name, values in zip(names, columns)]
            for begin in range(0, len(texts[0]), _ROWS):
                cells = list(zip(*(text[begin : begin + _ROWS] for text in texts)))
                yield Rows(first, cells)
                first += len(cells)
    # Damage is reported by whichever part of pyarrow notices it first, each with an exception of its own.
    except (
        pyarrow.ArrowException,
        OSError,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        OverflowError,
        UnicodeError,
    ) as error:
        if isinstance(error, MemoryError):
            raise
        message = str(error).strip("'\"").split("\n")[0].strip() or type(error).__name__
        raise InputError(f"not {kind}, or damaged ({message})", where=path) from None


class _Text(io.RawIOBase):
    """Presents blocks of lines to pyarrow as one file."""

    def __init__(self, blocks: Iterator[Block]):
        self._blocks, self._rest = blocks, memoryview(b"")
        self.replaced = self.quotes = 0

    def readable(self) -> bool:
        return True

    def first_row(self, delimiter: str) -> list[str]:
        """The cells of the first row, which remains to be read; empty if the file is."""
        self._fill()
        lines = io.StringIO(str(self._rest[:_LARGEST_CSV_ROW], "utf-8", "ignore"), newline="")
        csv.field_size_limit(_LARGEST_CSV_ROW)
        return next(csv.reader(lines, delimiter=delimiter), []) or ([""] if self._rest else [])

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


def _delimiter(file: _Text, columns: Sequence[ColumnChoice]) -> str:
    """The delimiter: the comma or, if the header has none, a semicolon, a tab or a vertical bar.

    In a file without a header, only the comma is considered unless a column other than the first is requested.
    """
    if len(file.first_row(",")) > 1 or (
        numbered(columns) and not any(place_of(spec_of(c).name or "") for c in columns)
    ):
        return ","
    return next((mark for mark in ";\t|" if len(file.first_row(mark)) > 1), ",")


def _csv(file: _Text, columns: Sequence[ColumnChoice], path: str) -> Iterator[Part]:
    import pyarrow
    from pyarrow import csv

    delimiter = _delimiter(file, columns)
    names = file.first_row(delimiter)
    if not names:
        return
    header = not numbered(columns)
    if not header:
        names = [f"f{number}" for number in range(len(names))]  # the names that pyarrow gives them
    places = places_of([*columns, f"#{len(names)}"], names, path)
    unique = len(set(names)) == len(names)
    called = [names[place] for place in places]
    *found, end = called if unique else places
    last = ""
    for batch in csv.open_csv(
        file,
        read_options=csv.ReadOptions(
            autogenerate_column_names=not header, block_size=_LARGEST_CSV_ROW, use_threads=False
        ),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False),
        # Keep all cells as text: with types inferred from the first rows, 007 would become 7.
        convert_options=csv.ConvertOptions(
            default_column_type=pyarrow.string(),
            strings_can_be_null=False,
            include_columns=_distinct(called) if unique else None,
        ),
    ):
        yield called[:-1], [batch.column(column).to_pylist() for column in found]
        last = batch.column(end)[-1].as_py() if batch.num_rows else last
    # pyarrow does not report it: the rest of the file would become one cell
    if file.quotes % 2 and last.endswith("\n"):
        raise pyarrow.ArrowInvalid("a quote is not closed")


def _parquet(file: ByteFile, columns: Sequence[ColumnChoice], path: str) -> Iterator[Part]:
    from pyarrow import parquet

    table = parquet.ParquetFile(file)
    schema = table.schema_arrow
    found = nested_columns(columns, schema.names, list(_leaves(schema)), path)
    unique = len(set(schema.names)) == len(schema.names)
    for batch in table.iter_batches(
        batch_size=_ROWS, columns=_distinct([schema.names[place] for place, _ in found]) if unique else None
    ):
        values = [_values(batch.column(schema.names[place] if unique else place)) for place, _ in found]
        yield (
            [name for _, name in found],
            [inner(v, schema.names[place], name) for v, (place, name) in zip(values, found)],
        )


def _values(column) -> list[object]:
    """The values of a column as Python objects; a 16- or 32-bit 0.1 stays 0.1, as other formats write it."""
    import pyarrow

    values = column.to_pylist()
    if pyarrow.types.is_floating(column.type) and not pyarrow.types.is_float64(column.type):
        short = column.type.to_pandas_dtype()
        return [value if value is None else float(str(short(value))) for value in values]
    return values


def _leaves(fields) -> Iterator[str]:
    """The names of all fields of a schema; dotted for fields inside a struct."""
    import pyarrow

    for field in fields:
        if pyarrow.types.is_struct(field.type) and field.type.num_fields:
            yield from (f"{field.name}.{name}" for name in _leaves(field.type))
        else:
            yield field.name


def nested_columns(
    columns: Sequence[ColumnChoice], names: Sequence[str], leaves: Sequence[str], path: str
) -> list[tuple[int, str]]:
    """The position of each requested column among the table's `names`, and its own name, dotted for a nested field.

    leaves: the names of all fields, dotted for nested ones.
    """
    found = []
    for column in columns:
        name = spec_of(column).found(leaves, where=path)
        if place_of(name) is not None or name in names:
            (place,) = places_of([name], names, path)
            found.append((place, names[place]))
            continue
        top = next(
            (
                each
                for each in names
                if name.startswith(f"{each}.") and any(f"{leaf}.".startswith(f"{name}.") for leaf in leaves)
            ),
            None,
        )
        if top is None:
            raise UsageError(f"no column {name!r}", where=path, cure=nearest(name, leaves))
        found.append((names.index(top), name))
    return found


def inner(values: list[object], column: str, name: str) -> list[object]:
    """The fields called `name` in the objects of a column; the values themselves if that is the name of the column."""
    if name == column:
        return values
    found = (field_of({column: value}, name) for value in values)
    return [None if value is MISSING else value for value in found]


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
