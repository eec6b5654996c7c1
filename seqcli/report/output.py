"""Where results go: standard output or a file, in which format, and the rules about both.

A file is written in the format that its suffix names, compressed where it ends in .gz, .bz2, .xz or .zst; a name that ends in a slash is
a folder of Parquet files. A regular or new
file is replaced when the new one is whole; a device or a FIFO is written to. A write that fails is an OutputError; a pipe
that its reader has closed is not an error of ours: ClosedPipe, on which `cli` ends quietly.
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
Shown = str | list[Column]  # rows of an output: its text, or in PARQUET the columns themselves
_SUFFIXES = {".tsv": TSV, ".csv": CSV, ".jsonl": JSON, ".ndjson": JSON, ".json": JSON, ".parquet": PARQUET}
_NAMES = {TSV: "TSV", CSV: "CSV", PARQUET: "Parquet"}


def format_of(path: str | None, *, json: str | None = None) -> str:
    """TSV, CSV, JSON or PARQUET: what the suffix of an output's name says, else TSV. json: the option that asks for JSON Lines.

    Raises UsageError for a format that is not written, and where the suffix names another format than JSON.
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
    """Whether an output is a folder of files, by its name."""
    return path is not None and path.endswith("/")


class Output:
    """A context manager; `mode` says how rows are shown: TABLE on a terminal, else the format of the file, TSV without one.

    json: JSON Lines, whatever the suffix; header: of TSV (CSV and Parquet always have one).
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
        """For `shown` in another process, without what `write` needs."""
        return {**self.__dict__, "_file": None, "_place": None, "_parquet": None, "_array": None, "_folder": None}

    @property
    def awaited(self) -> bool:
        """Whether a reader waits for each row."""
        return self.line_buffered or self.mode == TABLE

    @property
    def tabular(self) -> bool:
        """Whether rows have the columns of TSV, all of the same columns: neither JSON nor for a terminal."""
        return self.mode in _NAMES

    @property
    def name(self) -> str:
        """The format as its users call it, for notes on tabular output."""
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

    def write(self, rows: Shown | bytes) -> None:
        """Text, or what `shown` gave."""
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
        """What stands at the end of a whole file."""
        if self._parquet:
            self._parquet.close()
        if self._array:
            self._file.write(self._array.end.encode())

    def rows(self, columns: list[Column], *, title: str | None = None, json: Iterable[object] | None = None) -> None:
        """Columns in this output's mode. json: the objects to write instead, where JSON says more than the columns."""
        self.write(self.shown(columns, title=title, json=json))

    def shown(self, columns: list[Column], *, title: str | None = None, json: Iterable[object] | None = None) -> Shown:
        """The same as something to `write`, which may be made in another process."""
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
        """Writes the header, once, where the format has one or it is wanted. columns: those of all rows; a name is that of text."""
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
        if self._standard:  # what is still buffered cannot be written at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = "standard output" if self._standard else self.path
        raise OutputError(f"cannot write ({error.strerror})", where=where) from None


def check_folder(path: str) -> None:
    """Before any work whose result goes to `path`. Raises OutputError where its folder is not there or takes no files, and where
    it is a folder itself."""
    folder = Path(os.path.realpath(path)).parent
    if os.path.isdir(path):
        raise OutputError("cannot write (a folder)", where=path, cure="give the name of a file")
    if not folder.is_dir():
        raise OutputError("cannot write (no such folder)", where=path, cure="make it first, or name another")
    if not os.access(folder, os.W_OK):
        raise OutputError("cannot write (no permission)", where=path, cure="name another folder")
