"""What every part of `seqcli translate` has in hand: records, the translator, its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from seqcli.commands.jobs import TextJob
from seqcli.data.lines import Block
from seqcli.data.pairs import SOURCE
from seqcli.data.tables import TEXT_COLUMNS, Wanted
from seqcli.decoding.attention import Attention, attentions
from seqcli.decoding.translate import Settings, Translation, forced_by, translate
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

    usual = Wanted("text", (*SOURCE.usual, *TEXT_COLUMNS))

    def __init__(self, *arguments, settings: Settings, attending: bool, **named):
        super().__init__(*arguments, example=EXAMPLE, **named)
        self.settings, self._attending = settings, attending

    @cached_property
    def translator(self) -> OpenTranslator:
        from seqcli.tasks import translation

        if self.sources:
            opened = translation.open_translator(self.sources[0])
        else:
            from seqcli import samples

            opened = samples.translator(self.beginning, reporter=self.reporter)
        self.place([opened.model], otherwise="this translator is no network")
        return opened

    def answering(self) -> None:
        forced_by(self.translator, self.settings.prefix)  # or says what is wrong with it

    @property
    def signature(self) -> str:
        """How its translations are made."""
        return signature.of_translator(self.translator, **self.settings.how)

    def opened(self):
        return super().opened(by_record=True, shared=True, size=_TOGETHER)

    def translated(self) -> Iterator[Answers]:
        """All blocks, in order; at the end a note on sources that were too long."""
        records = cut = 0
        for answers in self.answers(self._translated):
            self.reporter.clear()
            yield answers
            records += len(answers.block)
            cut += sum(len(translation.parts) > 1 for translation in answers.translations)
            self.reporter.progress("records translated", records)
        self.reporter.clear()
        if cut:
            self.reporter.note(
                f"{cut:,} of {records:,} records had more than {self.translator.model.window:,} tokens and were translated in windows"
            )

    def _translated(self, block: Block) -> Answers:
        found = list(translate(self.translator, block.records(), self.settings, first=block.first))
        return Answers(block, found, attentions(self.translator, found) if self._attending else None)
