"""Shared by both modes of `seqcli generate`: the prompts, and the models that continue them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seqcli.commands import session
from seqcli.commands.models import Models, noting_unknown, open_language_models
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel
from seqcli.report.output import Output

EXAMPLE = 'seqcli generate "I study"'


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli generate`. mix: weights, or a text to fit them to."""

    mix: list[float] | str | None = None

    def open_prompts(
        self, *, out: Output | None = None, size: int | None = None
    ) -> tuple[Models[OpenModel], Iterator[Block]]:
        """Opens the models and the blocks of prompts. out: an output whose rows should appear as they are computed;
        size: of blocks, in bytes."""
        records = session.open_records(self, example=EXAMPLE, out=out, size=size)
        models = open_language_models(self, beginning=records.beginning, mix=self.mix)
        _ = models.all  # opened now, so that an error is raised before anything is written
        return models, noting_unknown(models.route(records), models, reporter=self.reporter)
