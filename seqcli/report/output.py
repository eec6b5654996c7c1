"""Where results go: standard output or a file, and the rules about both.

A regular or new file is replaced when the new one is whole; a device or a FIFO is written to. A write that fails
is an OutputError; a pipe that its reader has closed is nobody's error: ClosedPipe, on which `cli` ends quietly.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import ClosedPipe, OutputError
from seqcli.files.atomic import replacing
from seqcli.report import frame
from seqcli.report.frame import Column
from seqcli.text import utf8

TABLE, TSV, JSON = "table", "tsv", "json"


class Output:
    """A context manager; `mode` says how rows are shown: TABLE on a terminal, else TSV, JSON where asked."""

    def __init__(
        self, path: str | None = None, *, json: bool = False, header: bool = False, color: bool = True,
        line_buffered: bool = False,
    ):  # fmt: skip
        self.path, self.header, self.color, self.line_buffered = path, header, color, line_buffered
        self._begun = False
        self._standard = path is None or path == "-"
        if self._standard and (sys.stdout is None or sys.stdout.closed):
            raise OutputError("standard output is closed", cure="give -o FILE")
        self._terminal = self._standard and sys.stdout.isatty()
        self.mode = JSON if json else TABLE if self._terminal else TSV

    @property
    def awaited(self) -> bool:
        """Whether a reader waits for each row."""
        return self.line_buffered or self.mode == TABLE

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self._standard:
            try:
                yield sys.stdout.buffer
            finally:
                sys.stdout.buffer.flush()
        else:
            assert self.path is not None
            with replacing(Path(self.path), last=True) as file:
                yield file

    def write(self, text: str | bytes) -> None:
        if self._terminal and self.mode == JSON and isinstance(text, str):
            text = frame.json_for_terminal(text)
        try:
            self._file.write(text if isinstance(text, bytes) else utf8(text))
            if self.line_buffered:
                self._file.flush()
        except OSError as error:
            self._fail(error)

    def rows(self, columns: list[Column], *, title: str | None = None, json: Iterable[object] | None = None) -> None:
        """Columns in this output's mode. json: the objects to write instead, where JSON says more than the columns."""
        self.write(self.shown(columns, title=title, json=json))

    def shown(self, columns: list[Column], *, title: str | None = None, json: Iterable[object] | None = None) -> str:
        if self.mode == JSON:
            return frame.json_rows(columns) if json is None else "".join(map(frame.json_line, json))
        if self.mode == TABLE:
            return frame.table(columns, title=title, color=self.color)
        return frame.tsv(columns)

    def begin(self, names: Iterable[str]) -> None:
        """Writes the TSV header, once, where it is wanted."""
        if self.header and self.mode == TSV and not self._begun:
            self.write(frame.tsv_header(names))
        self._begun = True

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
