"""Shared by all parts of `seqcli translate`: the records, the translators and the translations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.data.columns import TEXT_COLUMNS, ColumnSpec
from seqcli.data.lines import Block
from seqcli.data.pairs import SOURCE
from seqcli.decoding.attention import AttentionMap, attentions
from seqcli.decoding.translate import TranslatedLine, TranslationSettings, forced_by, translate
from seqcli.errors import listed
from seqcli.interfaces import OpenTranslator
from seqcli.metrics import signature
from seqcli.report.output import Output
from seqcli.tokenizers.marian import Marian

EXAMPLE = 'seqcli translate "I study machine learning"'
_COLUMN = ColumnSpec("text", (*SOURCE.usual, *TEXT_COLUMNS))
_TOGETHER = 1 << 15  # bytes of text: some hundred records


@dataclass(frozen=True)
class Translated:
    """The translations of the records of a block, and their attention if requested."""

    block: Block
    lines: list[TranslatedLine]
    attentions: list[AttentionMap]  # empty if not requested


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line; -m names at most one model."""

    settings: TranslationSettings

    def open_records(self, out: Output) -> session.Records:
        return session.open_records(self, example=EXAMPLE, out=out, size=_TOGETHER, column=_COLUMN)

    def open_translators(self, beginning: str = "") -> Models[OpenTranslator]:
        """Opens the translator of -m, or the sample models. Raises UsageError if --prefix has words unknown to one of
        them."""
        from seqcli import samples
        from seqcli.tasks.translation.load import open_translator

        place = Placement(self.machine, reporter=self.reporter, reason="this translator is not a neural model")

        def prepared(opened: OpenTranslator) -> OpenTranslator:
            forced_by(place(opened), self.settings.prefix)
            return opened

        return Models(
            [prepared(open_translator(path)) for path in self.sources], place, reopen=self.open_translators,
            open_sample=lambda language: prepared(samples.translator_of(language, reporter=self.reporter)), kind="translation",
            beginning=beginning, reporter=self.reporter,
        )  # fmt: skip

    def translations(
        self, records: session.Records, translators: Models[OpenTranslator], *, attending: bool, out: Output
    ) -> Iterator[Translated]:
        """The translations of all blocks, in order. attending: also compute the attention."""

        def translated(block: Block) -> Translated:
            (opened,) = translators.of(block)
            lines = list(translate(opened, block.records(), self.settings, first=block.first))
            return Translated(block, lines, attentions(opened, lines) if attending else [])

        blocks = translators.route(records)
        return self._noting(session.map_blocks(self, translated, blocks, translators, out=out), translators)

    def signature(self, translators: Models[OpenTranslator]) -> str:
        """The signature of the translations."""
        return " + ".join(signature.of_translator(each, **self.settings.how) for each in translators.all)

    def _noting(self, translations: Iterator[Translated], translators: Models[OpenTranslator]) -> Iterator[Translated]:
        """Prints notes at the end on sources that were too long, target languages that are unknown, translations that were cut, and
        records with fewer translations than requested."""
        reporter = self.reporter
        records = windowed = few = unended = 0
        source = translators.all[0].source if translators.all else None
        tags: Counter[str] = Counter()
        for each in translations:
            reporter.clear()
            yield each
            records += len(each.block)
            for line in each.lines:
                windowed += len(line.parts) > 1
                if isinstance(source, Marian) and (tag := source.unknown_language(line.source)):
                    tags[tag] += 1
                few += bool(line.parts) and len(line.hypotheses) < self.settings.n_best
                unended += sum(not hypothesis.ended for hypothesis in line.hypotheses)
            reporter.progress("records translated", records)
        reporter.clear()
        if windowed:
            reporter.note(
                f"{windowed:,} of {records:,} records had more than {translators.all[0].model.window:,} tokens and were translated in windows"
            )
        if tags and isinstance(source, Marian):
            known = f"known: {listed(source.languages)}" if source.languages else "the model has none; leave it out"
            reporter.note(
                f"{tags.total():,} of {records:,} records begin with a target language that the translator does not know "
                f"({listed(tags)}); {known}"
            )
        if few:
            reporter.note(
                f"{few:,} of {records:,} records have fewer than {self.settings.n_best:,} different translations"
            )
        if unended:
            reporter.note(
                f"translations cut at --max-length-ratio: {unended:,}; their log_prob lacks </s> and is not comparable with others"
            )
