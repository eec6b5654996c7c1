"""Output of results: standard output or a file, and its format.

The suffix of a file name determines its format; .gz, .bz2, .xz and .zst files are compressed. A name that ends in a slash
is a folder of Parquet files. A regular file is replaced once the new one is complete; a device or FIFO is written to
directly. A write that fails raises OutputError; a pipe closed by its reader raises ClosedPipe, on which `cli` exits
quietly.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from seqcli.data.files import SPREADSHEETS, compressed, unpacked_name
from seqcli.errors import ClosedPipe, OutputError, UsageError
from seqcli.files.atomic import new_folder, replacing
from seqcli.report import frame
from seqcli.report.frame import Column, JsonArray
from seqcli.text import utf8

if TYPE_CHECKING:
    from seqcli.report.parquet import ParquetRows, ParquetShards

TABLE, TSV, CSV, JSON, PARQUET = "table", "tsv", "csv", "json", "parquet"
FormattedRows = str | list[Column]  # formatted rows: text or, for PARQUET, the columns themselves
_SUFFIXES = {".tsv": TSV, ".csv": CSV, ".jsonl": JSON, ".ndjson": JSON, ".json": JSON, ".parquet": PARQUET}
_NAMES = {TSV: "TSV", CSV: "CSV", PARQUET: "Parquet"}


def format_of(path: str | None, *, json: str | None = None) -> str:
    """TSV, CSV, JSON or PARQUET, according to the suffix of an output's name; TSV by default. json: the option that requests
    JSON Lines.

    Raises UsageError for an unsupported format, or if the suffix names a format other than JSON.
    """
    name = "" if path is None or is_folder(path) else unpacked_name(path)
    suffix = PurePath(name).suffix.lower()
    if suffix in SPREADSHEETS:
        raise UsageError(f"{suffix} files are not written", where=path, cure="name it .csv, which spreadsheets open")
    format = PARQUET if is_folder(path) else _SUFFIXES.get(suffix)
    if json and format not in (None, JSON):
        raise UsageError(f"{json} writes JSON Lines, not {_NAMES[format]}", where=path, cure="name it .jsonl")
    if format == PARQUET and name and path != name:
        raise UsageError("a Parquet file is compressed inside", where=path, cure=f"name it {name}")
    return JSON if json else format or TSV


def is_folder(path: str | None) -> bool:
    """Whether the name of an output stands for a folder of files."""
    return path is not None and path.endswith("/")


class Output:
    """An open output, as a context manager; `mode` is TABLE in a terminal, otherwise the format of the file, by default TSV.

    json: JSON Lines regardless of the suffix; header: write a header for TSV (CSV and Parquet always have one).
    """

    def __init__(
        self, path: str | None = None, *, json: bool = False, header: bool = False, color: bool = True,
        line_buffered: bool = False,
    ):  # fmt: skip
        self.path, self.header, self.color, self.line_buffered = path, header, color, line_buffered
        self._begun = False
        self._parquet: ParquetRows | ParquetShards | None = None
        self._folder: Path | None = None
        self._array: JsonArray | None = None
        self._standard = path is None or path == "-"
        if self._standard and (sys.stdout is None or sys.stdout.closed):
            raise OutputError("standard output is closed", cure="give -o FILE")
        self._terminal = self._standard and sys.stdout.isatty()
        self.mode = TABLE if self._terminal and not json else format_of(path, json="--json" if json else None)
        if self.mode == JSON and not json and path is not None and unpacked_name(path).lower().endswith(".json"):
            self._array = JsonArray()

    def __getstate__(self) -> dict[str, Any]:
        """A copy for `shown` in another process, without what `write` needs."""
        return {**self.__dict__, "_file": None, "_place": None, "_parquet": None, "_array": None, "_folder": None}

    @property
    def awaited(self) -> bool:
        """Whether rows should be flushed one by one, for an interactive reader."""
        return self.line_buffered or self.mode == TABLE

    @property
    def tabular(self) -> bool:
        """Whether rows are tabular (TSV, CSV, Parquet) rather than JSON or for a terminal."""
        return self.mode in _NAMES

    @property
    def name(self) -> str:
        """The name of the format, for notes on tabular output."""
        return _NAMES[self.mode]

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._standard:
            try:
                yield sys.stdout.buffer
            finally:
                sys.stdout.buffer.flush()
            return
        assert self.path is not None
        if is_folder(self.path):
            with new_folder(Path(self.path), last=True) as self._folder, open(os.devnull, "wb") as nothing:
                yield from self._writing(nothing)
        else:
            with replacing(Path(self.path), last=True) as file, compressed(file, self.path) as packed:
                yield from self._writing(packed)

    def _writing(self, file: BinaryIO) -> Iterator[BinaryIO]:
        try:
            yield file
            self._end()
        except BaseException:
            if self._parquet:
                self._parquet.discard()
            raise

    def write(self, rows: FormattedRows | bytes) -> None:
        """Writes text, or what `formatted` returned."""
        try:
            if isinstance(rows, list):
                assert self._parquet is not None, "the columns come first: begin"
                self._parquet.add(rows)
                return
            if isinstance(rows, str):
                if self._terminal and self.mode == JSON:
                    rows = frame.json_for_terminal(rows)
                rows = utf8(rows if self._array is None else self._array.elements(rows))
            self._file.write(rows)
            if self.line_buffered:
                self._file.flush()
        except OSError as error:
            self._fail(error)

    def _end(self) -> None:
        """Writes the end of a complete file."""
        if self._parquet:
            self._parquet.close()
        if self._array:
            self._file.write(self._array.end.encode())

    def rows(self, columns: list[Column], *, title: str | None = None, json: Iterable[object] | None = None) -> None:
        """Writes columns in this output's mode. json: objects to write instead, if JSON has more than the columns."""
        self.write(self.formatted(columns, title=title, json=json))

    def formatted(
        self, columns: list[Column], *, title: str | None = None, json: Iterable[object] | None = None
    ) -> FormattedRows:
        """Formats columns for `write`; may run in another process."""
        if self.mode == PARQUET:
            return columns
        if self.mode == CSV:
            return frame.csv(columns)
        if self.mode == JSON:
            return frame.json_rows(columns) if json is None else "".join(map(frame.json_line, json))
        if self.mode == TABLE:
            return frame.table(columns, title=title, color=self.color)
        return frame.tsv(columns)

    def begin(self, columns: Iterable[Column | str]) -> None:
        """Writes the header, once, if the format has one or it was requested. columns: those of all rows; a name stands for a
        column of text."""
        if self._begun:
            return
        self._begun = True
        fields = [Column(column, ()) if isinstance(column, str) else column for column in columns]
        names = [column.name for column in fields]
        if self.mode == PARQUET:
            from seqcli.report.parquet import ParquetRows, ParquetShards

            try:
                folder = self._folder
                self._parquet = ParquetShards(folder, fields) if folder else ParquetRows(self._file, fields)
            except OSError as error:
                self._fail(error)
        elif self.mode == CSV:
            self.write(frame.csv_header(names))
        elif self.header and self.mode == TSV:
            self.write(frame.tsv_header(names))

    def __enter__(self) -> Output:
        self._place = self._opened()
        try:
            self._file = self._place.__enter__()
            return self
        except OSError as error:
            raise OutputError(f"cannot write ({error.strerror})", where=self.path) from None
        except BaseException:  # a signal: __exit__ is not called
            self._place.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, error, trace) -> None:
        try:
            self._place.__exit__(kind, error, trace)
        except OSError as failed:
            if kind is None:
                self._fail(failed)

    def _fail(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise ClosedPipe from None
        if self._standard:  # buffered text could not be written at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = "standard output" if self._standard else self.path
        raise OutputError(f"cannot write ({error.strerror})", where=where) from None


def check_folder(path: str) -> None:
    """Checks before any work that `path` can be written. Raises OutputError if its folder does not exist or is not writable,
    or if it is a folder itself."""
    folder = Path(os.path.realpath(path)).parent
    if os.path.isdir(path):
        raise OutputError("cannot write (a folder)", where=path, cure="give the name of a file")
    if not folder.is_dir():
        raise OutputError("cannot write (no such folder)", where=path, cure="make it first, or name another")
    if not os.access(folder, os.W_OK):
        raise OutputError("cannot write (no permission)", where=path, cure="name another folder")
