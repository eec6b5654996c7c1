"""Rows of columns as a Parquet file, written a row group at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from seqcli.report.frame import TEXT, WHOLE, Column
from seqcli.text import utf8

_ROWS = 1 << 16  # of a row group; memory holds one group
_BYTES = 1 << 25  # of a row group of long texts


class ParquetRows:
    """Text is a string column, counts are int64, other numbers float64; what is missing, or not a number, is null."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]):
        """columns: the names and formats of all rows. Raises OSError where `file` cannot be written."""
        import pyarrow  # 0.2 s, only for this format
        from pyarrow import parquet

        kinds = {TEXT: pyarrow.string(), WHOLE: pyarrow.int64()}
        self._schema = pyarrow.schema(
            [(column.name, kinds.get(column.format, pyarrow.float64())) for column in columns]
        )
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def add(self, columns: Sequence[Column]) -> None:
        """Raises OSError where the file cannot be written."""
        import pyarrow

        assert [column.name for column in columns] == self._schema.names, "rows of other columns than the file has"
        arrays = [_array(column, field.type) for column, field in zip(columns, self._schema)]
        batch = pyarrow.record_batch(arrays, schema=self._schema)
        self._batches.append(batch)
        self._rows, self._bytes = self._rows + batch.num_rows, self._bytes + batch.nbytes
        if self._rows >= _ROWS or self._bytes >= _BYTES:
            self._write()

    def close(self) -> None:
        """Writes the last rows and the footer."""
        self._write()
        self._writer.close()

    def discard(self) -> None:
        """After an error: the file stays as it is, and pyarrow does not try to end it."""
        self._writer.is_open = False

    def _write(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_table(pyarrow.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


def _array(column: Column, kind: Any) -> Any:
    import pyarrow

    try:
        return pyarrow.array(column.values, type=kind, from_pandas=True)
    except UnicodeEncodeError:  # lone surrogates
        return pyarrow.array([utf8(value).decode() for value in column.values], type=kind)
