"""What both parts of `seqcli generate` have in common: the prompts, and the models that continue them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seqcli.commands import session
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel, Reporter
from seqcli.report.output import Output

EXAMPLE = 'seqcli generate "I study"'


@dataclass(frozen=True)
class Question:
    """What the command line asks. model: as -m names them; mix: weights, or a text to fit them to."""

    source: TextInput
    results: Results
    reporter: Reporter
    machine: Machine
    model: Sequence[str]
    mix: list[float] | str | None = None

    def open_prompts(
        self, *, out: Output | None = None, size: int | None = None
    ) -> tuple[session.Models[OpenModel], Iterator[Block]]:
        """The models, and the blocks of prompts. out: an output whose rows should appear as they are made; size: of blocks, in
        bytes."""
        records = session.open_records(
            self.source, example=EXAMPLE, reporter=self.reporter, sources=self.model, out=out, size=size
        )
        models = session.open_language_models(
            self.model, records, mix=self.mix, source=self.source, machine=self.machine, reporter=self.reporter
        )
        _ = models.all  # one that cannot be opened is an error before anything is written
        return models, session.noting_unknown(models.route(records), models, reporter=self.reporter)
