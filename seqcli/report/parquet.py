"""Parquet output, one row group at a time, in one file or a folder of files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from seqcli.report.frame import TEXT, WHOLE, Column
from seqcli.text import utf8

_ROWS = 1 << 16  # rows of a row group; one group is held in memory
_SHARD = 1 << 20  # rows of a file, if there are several
_BYTES = 1 << 25  # bytes of a row group of long texts


class ParquetRows:
    """Writes a Parquet file. Text is a string column, counts are int64, other numbers float64; missing values and NaN are
    null."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]):
        """columns: names and formats of all rows. Raises OSError if `file` cannot be written."""
        import pyarrow  # takes 0.2 s, needed only for this format
        from pyarrow import parquet

        kinds = {TEXT: pyarrow.string(), WHOLE: pyarrow.int64()}
        self._schema = pyarrow.schema(
            [(column.name, kinds.get(column.format, pyarrow.float64())) for column in columns]
        )
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._batches: list[Any] = []
        self._rows = self._bytes = 0

    def add(self, columns: Sequence[Column]) -> None:
        """Appends rows. Raises OSError if the file cannot be written."""
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
        """Abandons the file after an error, so that pyarrow does not try to complete it."""
        self._writer.is_open = False

    def _write(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_table(pyarrow.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


class ParquetShards:
    """Writes a folder of Parquet files, `part-00000.parquet` ..., for tools that read them in parallel."""

    def __init__(self, folder: Path, columns: Sequence[Column], *, rows: int = _SHARD):
        """rows: number of rows per file."""
        self._folder, self._columns, self._most = folder, columns, rows
        self._files = 0
        self._next()

    def add(self, columns: Sequence[Column]) -> None:
        if self._rows >= self._most:
            self.close()
            self._next()
        self._shard.add(columns)
        self._rows += len(columns[0].values)

    def close(self) -> None:
        self._shard.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        self._shard.discard()
        self._file.close()

    def _next(self) -> None:
        self._file = open(self._folder / f"part-{self._files:05}.parquet", "wb")  # noqa: SIM115 - closed by `close`
        self._shard, self._rows = ParquetRows(self._file, self._columns), 0
        self._files += 1


def _array(column: Column, kind: Any) -> Any:
    import pyarrow

    try:
        return pyarrow.array(column.values, type=kind, from_pandas=True)
    except UnicodeEncodeError:  # lone surrogates
        return pyarrow.array([utf8(value).decode() for value in column.values], type=kind)
