"""What every question of `seqcli score` has in hand: models, the unit of logarithms, what stands before a record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from seqcli.commands.in_step import InStep
from seqcli.commands.jobs import ModelJob
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block, block_of, note_replaced
from seqcli.data.pairs import SOURCE
from seqcli.data.records import has_columns
from seqcli.interfaces import OpenModel, OpenTranslator, Reporter
from seqcli.metrics import signature

Result = TypeVar("Result")
EXAMPLE = 'seqcli score "I study machine learning"'
_UNIT = {"e": 1.0, "2": math.log(2), "10": math.log(10)}
LOG = "%.6f"


class Job(ModelJob):
    """What every mode needs: the records, the opened models, the unit of logarithms. given: a file of sources, one for each
    record, which translators are given; given_column: of a table of them."""

    def __init__(
        self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *,
        machine: Machine, mix: list[float] | str | None, base: str, seed: int, given: str | None = None,
        given_column: str | None = None,
    ):  # fmt: skip
        self.kind = "language" if given is None else "translation"
        super().__init__(source, results, reporter, sources, machine=machine, example=EXAMPLE, mix=mix)
        self.base, self.unit, self.seed = base, _UNIT[base], seed
        self._given = None if given is None else InStep(
            given, what="sources", column=replace(SOURCE, name=given_column), source=source, reporter=reporter
        )
        self._cut = self._cut_elsewhere = 0  # sources whose ends are not read

    def sample(self, language: str) -> OpenModel | OpenTranslator:
        if self._given is None:
            return super().sample(language)
        from seqcli import samples

        opened = samples.translator_of(language, reporter=self.reporter)
        self.place([opened.model], otherwise="this translator is no network")
        return opened

    def script_texts(self, block: Block) -> list[str]:
        return super().script_texts(block) if self._given is None else self._given.of(block)

    @cached_property
    def _chosen(self) -> list[OpenModel] | list[OpenTranslator]:
        if self._given is None:
            return super()._chosen
        from seqcli.tasks import translation
        from seqcli.tasks.language.opened import named

        opened = [translation.open_translator(path, name=name) for name, path in named(self.sources)]
        self.place([each.model for each in opened], otherwise="these translators are no networks")
        return opened

    def asked(self, block: Block) -> list[OpenModel]:
        """Who scores the records of a block: the models, or translators given the block's sources."""
        models = super().asked(block)
        if self._given is None:
            return models
        from seqcli.scoring.conditioned import given_sources

        sources = block_of(self._given.of(block)).data
        asked = [given_sources(opened, sources) for opened in models]
        self._cut += asked[0].model.cut
        return asked

    @property
    def apart(self) -> bool:
        """Whether every record is a document of its own: an argument, or a row of a table."""
        return bool(self.source.text) or all(has_columns(path, self.source.format) for path in self.source.paths)

    def answers(self, function: Callable[[Block], Result]) -> Iterator[Result]:
        """As `TextJob.answers`; what is counted of a block in another process comes back with its answer."""

        def counted(block: Block) -> tuple[Result, int]:
            result = function(block)
            cut, self._cut = self._cut, 0
            return result, cut

        for result, cut in super().answers(counted):
            self._cut_elsewhere += cut
            yield result

    def check(self, records: int) -> None:
        """At the end: no source was left over."""
        if self._given is not None:
            self._given.check(records)
        if cut := self._cut + self._cut_elsewhere:
            self.reporter.note(f"the ends of {cut:,} sources were too far for the model to read")

    def signature(self, opened: OpenModel | OpenTranslator, *, unit: str = "line") -> str:
        if self._given is not None:
            return signature.of_translator(opened, unit=unit, base=self.base)
        return signature.of_language_model(opened, unit=unit, base=self.base)


class Contexts:
    """What is before each record and is not counted: one text for all, or the records of a file, one each."""

    def __init__(self, text: str | None, path: str | None, *, source: TextInput, reporter: Reporter):
        self._text = None
        if text is not None:
            block = block_of([text], strict=source.strict)
            note_replaced(block.replaced, "--context", reporter)
            (self._text,) = block.records()
        self._lines = None if path is None else InStep(path, what="contexts", column=None, source=source, reporter=reporter)

    def of(self, block: Block) -> list[str] | None:
        if self._lines is not None:
            return self._lines.of(block)
        return None if self._text is None else [self._text] * len(block)

    def check(self, records: int) -> None:
        """At the end: no line was left over."""
        if self._lines is not None:
            self._lines.check(records)
