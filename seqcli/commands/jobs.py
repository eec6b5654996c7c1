"""What a command has in hand: its records, its models, its output, each found when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel, Reporter
from seqcli.report.output import TABLE, Output

_SOON = 1 << 15  # bytes of text in a table
_NETWORKS = ("device", "precision", "batch_tokens")  # options for them


class TextJob:
    """Records and where results go. sources: of the models or tokenizers, as `-m` names them."""

    def __init__(
        self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *, machine: Machine, example: str
    ):
        self.source, self.results, self.reporter, self.sources = source, results, reporter, sources
        self.machine, self._example = machine, example
        self._size: int | None = None  # of blocks
        self.beginning = ""  # of the text, to see its script by

    @cached_property
    def blocks(self) -> Iterator[Block]:
        """All blocks; the first has been read, so that a missing file is an error before anything is built."""
        blocks = self.source.blocks(example=self._example, reporter=self.reporter, size=self._size)
        first = next(blocks, None)
        self.beginning = first.data.decode() if first else ""
        return iter(()) if first is None else chain([first], blocks)

    @property
    def threads(self) -> int | None:
        return self.machine.threads

    def answering(self) -> None:
        """Finds who answers: models, or tokenizers."""
        raise NotImplementedError

    def opened(self, *, by_record: bool = False) -> Output:
        """The output, after input and models have been found. by_record: on a terminal the first rows come soon."""
        out = self.results.opened()
        if by_record and out.mode == TABLE:
            self._size = _SOON
        _ = self.blocks
        self.answering()
        return out

    def workers(self, out: Output) -> int | None:
        """Processes for rows of records: one where a reader waits for the next."""
        return 1 if out.line_buffered or out.mode == TABLE else self.threads

    @cached_property
    def sample_model(self) -> OpenModel:
        """The one for the script of the text, where no `-m` is given."""
        from seqcli import samples

        _ = self.blocks
        return samples.language_model(self.beginning, reporter=self.reporter)


class ModelJob(TextJob):
    """A job for language models."""

    @cached_property
    def models(self) -> list[OpenModel]:
        from seqcli.tasks import language

        models = language.open_models(self.sources, reporter=self.reporter) if self.sources else [self.sample_model]
        self._place([opened.model for opened in models if hasattr(opened.model, "place")])
        return models

    def _place(self, networks: list) -> None:
        machine = self.machine
        if not networks:
            machine.without(self.reporter, *_NETWORKS, reason="n-gram models are looked up, not computed")
        elif any(getattr(machine, name) is not None for name in (*_NETWORKS, "threads")):
            from seqcli.training.placement import place

            placement = place(machine.device or "cpu", machine.precision or "fp32", threads=machine.threads)
            for network in networks:
                network.place(placement, batch_tokens=machine.batch_tokens)

    @property
    def threads(self) -> int | None:
        """Of processes: one where a GPU computes, which does not outlive a fork."""
        return 1 if self.machine.device not in (None, "cpu") else self.machine.threads

    @property
    def many(self) -> bool:
        return len(self.models) > 1

    def answering(self) -> None:
        _ = self.models
