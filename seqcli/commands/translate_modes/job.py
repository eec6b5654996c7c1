"""What every part of `seqcli translate` has in hand: records, the translator, its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from seqcli.commands.jobs import TextJob
from seqcli.data.lines import Block
from seqcli.data.pairs import SOURCE
from seqcli.data.tables import TEXT_COLUMNS, ColumnSpec
from seqcli.decoding.attention import Attention, attentions
from seqcli.decoding.translate import Translation, TranslationSettings, forced_by, translate
from seqcli.interfaces import OpenTranslator
from seqcli.metrics import signature

EXAMPLE = 'seqcli translate "I study machine learning"'
_TOGETHER = 1 << 15  # bytes of text: some hundred records


@dataclass(frozen=True)
class Answers:
    """Of a block: a translation a record, and where it looked, if that was asked."""

    block: Block
    translations: list[Translation]
    attentions: list[Attention] | None


class Job(TextJob):
    """attending: attention is wanted."""

    kind = "translation"
    usual = ColumnSpec("text", (*SOURCE.usual, *TEXT_COLUMNS))

    def __init__(self, *arguments, settings: TranslationSettings, attending: bool, **named):
        super().__init__(*arguments, example=EXAMPLE, **named)
        self.settings, self._attending = settings, attending

    @property
    def translators(self) -> list[OpenTranslator]:
        """That of -m; without, the samples that are in use so far."""
        return self.samples_in_use if self.samples else [self._chosen]

    def translator_of(self, block: Block) -> OpenTranslator:
        """Who translates the records of a block."""
        return self.samples.of(block.language) if self.samples else self._chosen

    def sample(self, language: str) -> OpenTranslator:
        from seqcli import samples

        return self._prepared(samples.translator_of(language, reporter=self.reporter))

    @cached_property
    def _chosen(self) -> OpenTranslator:
        from seqcli.tasks.translation.load import open_translator

        return self._prepared(open_translator(self.sources[0]))

    def _prepared(self, opened: OpenTranslator) -> OpenTranslator:
        self.place([opened.model], otherwise="this translator is no network")
        forced_by(opened, self.settings.prefix)  # or says what is wrong with it
        return opened

    def answering(self) -> None:
        _ = self.translators

    @property
    def signature(self) -> str:
        """How the translations are made."""
        return " + ".join(signature.of_translator(each, **self.settings.how) for each in self.translators)

    def opened(self):
        return super().opened(by_record=True, shared=True, size=_TOGETHER)

    def translated(self) -> Iterator[Answers]:
        """All blocks, in order; at the end notes on sources that were too long, translations that were cut, and texts that have
        fewer than were asked for."""
        records = windowed = few = unended = 0
        for answers in self.answers(self._translated):
            self.reporter.clear()
            yield answers
            records += len(answers.block)
            for translation in answers.translations:
                windowed += len(translation.parts) > 1
                few += bool(translation.parts) and len(translation.hypotheses) < self.settings.n_best
                unended += sum(not hypothesis.ended for hypothesis in translation.hypotheses)
            self.reporter.progress("records translated", records)
        self.reporter.clear()
        if windowed:
            self.reporter.note(
                f"{windowed:,} of {records:,} records had more than {self.translators[0].model.window:,} tokens and were translated in windows"
            )
        if few:
            self.reporter.note(f"{few:,} of {records:,} records have fewer than {self.settings.n_best:,} different translations")
        if unended:
            self.reporter.note(
                f"translations cut at --max-length-ratio: {unended:,}; their log_prob has no </s> and does not compare with others'"
            )

    def _translated(self, block: Block) -> Answers:
        translator = self.translator_of(block)
        found = list(translate(translator, block.records(), self.settings, first=block.first))
        return Answers(block, found, attentions(translator, found) if self._attending else None)
