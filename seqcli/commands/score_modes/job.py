"""What every question of `seqcli score` has in hand: models, the unit of logarithms, what stands before a record."""

from __future__ import annotations

import math
import os

from seqcli.commands.jobs import ModelJob
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block, read_blocks
from seqcli.errors import InputError
from seqcli.interfaces import OpenModel, Reporter
from seqcli.metrics import signature

EXAMPLE = 'seqcli score "I study machine learning"'
_UNIT = {"e": 1.0, "2": math.log(2), "10": math.log(10)}
LOG = "%.6f"


class Job(ModelJob):
    """What every mode needs: the records, the opened models, the unit of logarithms."""

    def __init__(
        self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *,
        machine: Machine, mix: list[float] | str | None, base: str, seed: int,
    ):  # fmt: skip
        super().__init__(source, results, reporter, sources, machine=machine, example=EXAMPLE, mix=mix)
        self.base, self.unit, self.seed = base, _UNIT[base], seed

    def signature(self, opened: OpenModel, *, unit: str = "line") -> str:
        return signature.of_language_model(opened, unit=unit, base=self.base)


class Contexts:
    """What stands before each record and is not counted: one text for all, or a file's lines in step."""

    def __init__(self, context: str | None):
        self._where = context
        self._lines: list[str] | None = None if context is None else [context]
        if context is not None and os.path.isfile(context):  # of Path, a long text would be an error
            self._lines = [line for block in read_blocks(context) for line in block.records()]

    def of(self, block: Block) -> list[str] | None:
        if self._lines is None:
            return None
        if len(self._lines) == 1:
            return self._lines * len(block)
        self._expect(block.first - 1 + len(block) <= len(self._lines), "more")
        return self._lines[block.first - 1 : block.first - 1 + len(block)]

    def check(self, records: int) -> None:
        """At the end: no line was left over."""
        self._expect(self._lines is None or len(self._lines) <= max(records, 1), "fewer")

    def _expect(self, sound: bool, what: str) -> None:
        if not sound:
            cure = "give one line per record"
            raise InputError(f"{len(self._lines)} contexts for {what} records", where=self._where, cure=cure)
