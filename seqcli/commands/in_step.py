"""A second file that has a line for each record: contexts, sources, references."""

from __future__ import annotations

from seqcli.data.lines import Block, read_blocks
from seqcli.errors import InputError


class InStep:
    """The lines of `path`, read whole. what: they are, in errors."""

    def __init__(self, path: str, *, what: str):
        self._where, self._what = path, what
        self._lines = [line for block in read_blocks(path) for line in block.records()]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, place: int) -> str:
        return self._lines[place]

    @property
    def beginning(self) -> str:
        return "\n".join(self._lines[:100])

    def of(self, block: Block) -> list[str]:
        """Of the records of a block. Raises InputError where there are too few."""
        self._expect(block.first - 1 + len(block) <= len(self._lines), "more")
        return self._lines[block.first - 1 : block.first - 1 + len(block)]

    def check(self, records: int) -> None:
        """At the end: no line was left over."""
        self._expect(len(self._lines) <= records, "fewer")

    def _expect(self, sound: bool, what: str) -> None:
        if not sound:
            cure = "give one line per record"
            raise InputError(f"{len(self._lines)} {self._what} for {what} records", where=self._where, cure=cure)
