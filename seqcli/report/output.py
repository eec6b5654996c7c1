"""Where results go: standard output or a file, and the rules about both.

A regular or new file is written beside and renamed when whole; a device or a FIFO is written to. A write that fails
is an OutputError; a pipe that its reader has closed is nobody's error: ClosedPipe, on which `cli` ends quietly.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from seqcli.errors import ClosedPipe, OutputError
from seqcli.report import frame
from seqcli.report.frame import Column

TABLE, TSV, JSON = "table", "tsv", "json"


class Output:
    """A context manager; `mode` says how rows are shown: TABLE on a terminal, else TSV, JSON where asked."""

    def __init__(
        self, path: str | None = None, *, json: bool = False, header: bool = False, color: bool = True,
        line_buffered: bool = False,
    ):  # fmt: skip
        self.path, self.header, self.color, self.line_buffered = path, header, color, line_buffered
        self._temporary: Path | None = None
        self._begun = False
        if path is None or path == "-":
            if sys.stdout is None or sys.stdout.closed:
                raise OutputError("standard output is closed", cure="give -o FILE")
            self._file = sys.stdout.buffer
            terminal = sys.stdout.isatty()
        else:
            terminal = False
            self._file = self._open(Path(path))
        self.mode = JSON if json else TABLE if terminal else TSV

    def _open(self, path: Path):
        try:
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                return open(path, "wb")  # a directory says so itself
            path = path.resolve()
            self._temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
            return open(self._temporary, "wb")
        except OSError as error:
            raise OutputError(f"cannot write ({error.strerror})", where=self.path) from None

    def write(self, text: str | bytes) -> None:
        try:
            self._file.write(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
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
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            self._file.flush()
            if self._temporary is not None and kind is None:
                os.fsync(self._file.fileno())
        except OSError as failed:
            self._discard()
            if kind is None:
                self._fail(failed)
            return
        if self.path is None or self.path == "-":
            return
        self._file.close()
        if self._temporary is None:
            return
        if kind is not None:
            self._discard()
            return
        target = Path(self.path).resolve()
        if target.exists():
            os.chmod(self._temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(self._temporary, target)

    def _discard(self) -> None:
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise ClosedPipe from None
        where = self.path or "standard output"
        if sys.stdout is not None and self._file is sys.stdout.buffer:  # what is still buffered cannot be written at exit either
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, sys.stdout.fileno())
        self._discard()
        raise OutputError(f"cannot write ({error.strerror})", where=where) from None
