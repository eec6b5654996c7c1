"""Shared by all modes of `seqcli score`: the command line, the models with the records that they score, the contexts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from seqcli.commands import session
from seqcli.commands.models import Models, Placement, note_threads, noting_unknown, open_language_models
from seqcli.commands.options import TextInput
from seqcli.commands.score import Adaptation
from seqcli.commands.session import AlignedFile
from seqcli.data.lines import Block, block_of, note_replaced
from seqcli.data.pairs import SOURCE
from seqcli.data.records import has_columns
from seqcli.errors import InputError
from seqcli.interfaces import OpenScorer, OpenTranslator, Placeable, Reporter
from seqcli.metrics import signature
from seqcli.report.output import Output

Result = TypeVar("Result")
EXAMPLE = 'seqcli score "I study machine learning"'
_UNITS = {"e": 1.0, "2": math.log(2), "10": math.log(10)}


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli score`. source_file: sources, one per record, for
    translators; source_column: their column in a table; document: texts are documents."""

    base: str = "e"
    seed: int = 0
    source_file: str | None = None
    source_column: str | None = None
    adaptation: Adaptation = field(default_factory=Adaptation)
    document: bool = False

    @property
    def unit(self) -> float:
        """Nats per unit of the logarithms shown."""
        return _UNITS[self.base]

    @property
    def apart(self) -> bool:
        """Whether every record is a document of its own: an argument, or a row of a table."""
        return bool(self.source.text) or all(has_columns(path, self.source.format) for path in self.source.paths)

    def open_records(self, out: Output | None = None) -> session.Records:
        """Opens the records. out: an output whose rows should appear as they are computed."""
        return session.open_records(self, example=EXAMPLE, out=out)

    def open_scorer(self, records: session.Records, *, whole: bool = False) -> Scorer:
        """Opens the models. whole: without -m, use one sample model for the whole input."""
        if self.source_file is not None:
            return TranslationScorer(self, self.source_file, records)
        if self.adaptation.name:
            return AdaptiveScorer(self, self._open_adaptive(records.beginning, whole=whole), records)
        models = open_language_models(self, beginning=records.beginning, whole=whole)
        return Scorer(self, models, records)

    def _open_adaptive(self, beginning: str, *, whole: bool) -> Models:
        from seqcli.tasks.language.adaptive import adapting

        cache, dynamic = self.adaptation.settings()
        adapt = adapting(
            cache=cache,
            dynamic=dynamic,
            document=self.document,
            statistics=self.adaptation.statistics,
            reporter=self.reporter,
        )
        models = open_language_models(self, beginning=beginning, whole=whole, adapt=adapt)
        if self.adaptation.theta is not None and not any(isinstance(each.model, Placeable) for each in models.all):
            self.reporter.note("--theta has no effect: it is for the cache of a neural model")
        return models

    def open_translators(self, beginning: str = "") -> Models[OpenTranslator]:
        """Opens the translators of -m, or the sample models. beginning: of the sources."""
        from seqcli import samples
        from seqcli.tasks.language.load import named
        from seqcli.tasks.translation.load import open_translator

        place = Placement(self.machine, reporter=self.reporter, reason="these translators are not neural models")
        return Models(
            [place(open_translator(path, name=name)) for name, path in named(self.sources)], place, reopen=self.open_translators,
            open_sample=lambda language: place(samples.translator_of(language, reporter=self.reporter)), kind="translation",
            beginning=beginning, reporter=self.reporter,
        )  # fmt: skip


class Scorer:
    """Language models, and the records that they score."""

    models: Models[Any]

    def __init__(
        self,
        arguments: Arguments,
        models: Models,
        records: session.Records,
        *,
        texts: Callable[[Block], list[str]] = Block.records,
    ):
        """texts: the texts that determine the script of each record."""
        self.arguments, self.models = arguments, models
        self.blocks = noting_unknown(models.route(records, texts=texts), models, reporter=arguments.reporter)

    def __getstate__(self) -> dict[str, Any]:
        """Without the blocks, which a worker on another machine gets one by one."""
        return {**self.__dict__, "blocks": iter(())}

    @property
    def names(self) -> list[str]:
        return [opened.name for opened in self.models.all]

    def of(self, block: Block) -> Sequence[OpenScorer]:
        """The models for the records of a block."""
        return self.models.of(block)

    def map_blocks(
        self, function: Callable[[Block], Result], *, out: Output, by_record: bool = False
    ) -> Iterator[Result]:
        """function(block) for every block, in order. by_record: a reader of `out` waits for each row."""
        return session.map_blocks(self.arguments, function, self.blocks, self.models, out=out if by_record else None)

    def alone(self) -> Scorer:
        """Itself, for modes that use one process."""
        note_threads(self.arguments, self.models)
        return self

    def signature(self, opened: Any, *, unit: str = "line") -> str:
        """The signature of the scores. opened: one of `models`; unit: unit of text that was scored."""
        return signature.of_language_model(opened, unit=unit, base=self.arguments.base)

    def finish(self, records: int) -> None:
        """Called at the end with the number of scored records."""


class AdaptiveScorer(Scorer):
    """Models that adapt to the lines of a file one after another, so that one process scores them in order."""

    _file = 0

    def map_blocks(
        self, function: Callable[[Block], Result], *, out: Output, by_record: bool = False
    ) -> Iterator[Result]:
        return map(function, self.alone().blocks)

    def of(self, block: Block) -> Sequence[OpenScorer]:
        models = self.models.of(block)
        if block.file != self._file:
            self._file = block.file
            for opened in self.models.all:
                opened.model.restart()
        return models


class TranslationScorer(Scorer):
    """Translators that are given one source per record, and so are language models of translations."""

    def __init__(self, arguments: Arguments, path: str, records: session.Records):
        """path: the file of sources."""
        column = replace(SOURCE, name=arguments.source_column)
        self._sources = AlignedFile(
            path, what="sources", column=column, source=arguments.source, reporter=arguments.reporter
        )
        self._cut = 0  # number of truncated sources
        models = arguments.open_translators(self._sources.beginning)
        super().__init__(arguments, models, records, texts=self._sources.of)

    def map_blocks(
        self, function: Callable[[Block], Result], *, out: Output, by_record: bool = False
    ) -> Iterator[Result]:
        def counted(block: Block) -> tuple[Result, int]:
            self._cut = 0
            return function(block), self._cut

        cut = 0
        for result, of_block in super().map_blocks(counted, out=out, by_record=by_record):
            cut += of_block
            yield result
        self._cut = cut

    def of(self, block: Block) -> Sequence[OpenScorer]:
        from seqcli.scoring.conditioned import given_sources

        sources = block_of(self._sources.of(block)).data
        models = [given_sources(opened, sources) for opened in self.models.of(block)]
        self._cut += models[0].model.cut
        return models

    def signature(self, opened: Any, *, unit: str = "line") -> str:
        return signature.of_translator(opened, unit=unit, base=self.arguments.base)

    def finish(self, records: int) -> None:
        """Raises InputError if there were more sources than records."""
        self._sources.check(records)
        if self._cut:
            self.arguments.reporter.note(f"sources longer than the model can read were truncated: {self._cut:,}")


class Contexts:
    """The context before each record, which is not scored: one text for all, or the lines of a file, one per record."""

    def __init__(self, text: str | None, path: str | None, *, source: TextInput, reporter: Reporter):
        self._text = None
        if text is not None:
            block = block_of([text])
            if block.replaced and source.strict:
                raise InputError("not valid UTF-8", where="--context", cure="leave out --strict to replace it")
            note_replaced(block.replaced, "--context", reporter)
            (self._text,) = block.records()
        self._lines = (
            None if path is None else AlignedFile(path, what="contexts", column=None, source=source, reporter=reporter)
        )

    def of(self, block: Block) -> list[str] | None:
        if self._lines is not None:
            return self._lines.of(block)
        return None if self._text is None else [self._text] * len(block)

    def finish(self, records: int) -> None:
        """Called at the end. Raises InputError if lines are left over."""
        if self._lines is not None:
            self._lines.check(records)
