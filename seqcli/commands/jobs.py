"""What a command has in hand: its records, its models, its output, each found when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from seqcli.commands.options import Results, TextInput
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel, Reporter
from seqcli.report.output import Output


class TextJob:
    """Records and where results go. sources: of the models or tokenizers, as `-m` names them."""

    def __init__(self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *, example: str):
        self.source, self.results, self.reporter, self.sources = source, results, reporter, sources
        self._example = example
        self.beginning = ""  # of the text, to see its script by

    @cached_property
    def blocks(self) -> Iterator[Block]:
        """All blocks; the first has been read, so that a missing file is an error before anything is built."""
        blocks = self.source.blocks(example=self._example, reporter=self.reporter)
        first = next(blocks, None)
        self.beginning = first.data.decode() if first else ""
        return iter(()) if first is None else chain([first], blocks)

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

        return language.open_models(self.sources) if self.sources else [self.sample_model]

    @property
    def many(self) -> bool:
        return len(self.models) > 1

    def opened(self) -> Output:
        """The output, after input and models have been found."""
        _ = self.blocks, self.models
        return self.results.opened()
