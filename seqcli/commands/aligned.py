"""A second input file with one line per record: contexts, sources or references."""

from __future__ import annotations

from functools import partial

from seqcli.commands.options import TextInput
from seqcli.data import lines, records, tables
from seqcli.data.lines import Block
from seqcli.errors import InputError
from seqcli.interfaces import Reporter


class AlignedFile:
    """The records of `path`, read into memory in the encoding of `source`. what: noun for error messages; column:
    column of a table, None to read every file as lines."""

    def __init__(
        self, path: str, *, what: str, column: tables.ColumnSpec | None, source: TextInput, reporter: Reporter
    ):
        self._where, self._what = path, what
        if column:
            ended = partial(lines.note_blank_end, path=path, reporter=reporter)
            blocks = records.read_blocks(path, column=column, blank_end=ended, **source.reading)
        else:
            blocks = lines.read_blocks(path, **source.reading)
        self._lines = [line for block in lines.noting(blocks, path, reporter) for line in block.records()]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, place: int) -> str:
        return self._lines[place]

    @property
    def beginning(self) -> str:
        return "\n".join(self._lines[:100])

    def of(self, block: Block) -> list[str]:
        """The lines for the records of a block. Raises InputError if there are too few."""
        self._expect(block.first - 1 + len(block) <= len(self._lines), "more")
        return self._lines[block.first - 1 : block.first - 1 + len(block)]

    def check(self, records: int) -> None:
        """Raises InputError at the end if lines are left over."""
        self._expect(len(self._lines) <= records, "fewer")

    def _expect(self, sound: bool, what: str) -> None:
        if not sound:
            cure = "give one line per record"
            raise InputError(f"{len(self._lines)} {self._what} for {what} records", where=self._where, cure=cure)
