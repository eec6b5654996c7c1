"""What every question of `seqcli score` has in hand: models, the unit of logarithms, what stands before a record."""

from __future__ import annotations

import math
import os

from seqcli.commands.in_step import InStep
from seqcli.commands.jobs import ModelJob
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
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
        self._one, self._lines = context, None
        if context is not None and os.path.isfile(context):  # of Path, a long text would be an error
            lines = InStep(context, what="contexts")
            self._one, self._lines = (lines[0], None) if len(lines) == 1 else (None, lines)

    def of(self, block: Block) -> list[str] | None:
        if self._lines is not None:
            return self._lines.of(block)
        return None if self._one is None else [self._one] * len(block)

    def check(self, records: int) -> None:
        """At the end: no line was left over."""
        if self._lines is not None:
            self._lines.check(records)
