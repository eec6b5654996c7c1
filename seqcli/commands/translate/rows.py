"""`translate`: the command line, the translators, and a translation for every record, or its `n` best."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
from seqcli.report.frame import WHOLE, Column, columns_of_rows, kept_columns, with_kept
from seqcli.report.output import JSON, TABLE, TSV, Output
from seqcli.results import LOG
from seqcli.results.translation import Hypothesis, Translation
from seqcli.text import printable, tsv_field
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


@dataclass(frozen=True)
class DisplayOptions:
    """What is shown with a translation. n_best: several per record, in the format of Moses; attention_file:
    attention is written to a file."""

    scores: bool = False
    n_best: bool = False
    alignment: bool = False
    attention: bool = False
    attention_file: bool = False

    @property
    def attending(self) -> bool:
        """Whether the attention is needed."""
        return self.alignment or self.attention or self.attention_file


class Listener(Protocol):
    """Receives all translations, besides the output."""

    def add(self, translated: Translated) -> None: ...

    def finish(self, translators: Models[OpenTranslator]) -> None: ...


def rows(arguments: Arguments, display: DisplayOptions, listeners: Sequence[Listener]) -> None:
    keep = arguments.source.keep or ()
    with arguments.results.opened() as out:
        records = arguments.open_records(out)
        translators = arguments.open_translators(records.beginning)
        moses = display.n_best and out.mode == TSV
        if not moses:
            nothing = Translated(Block(1, b""), [], [])
            out.begin(
                _several(nothing) if display.n_best else _columns(nothing, display, keep, sources=out.mode == TABLE)
            )
        for translated in arguments.translations(records, translators, attending=display.attending, out=out):
            for listener in listeners:
                listener.add(translated)
            if out.mode == JSON:
                out.rows([], json=_objects(translated, display, keep))
            elif moses:
                out.write("".join(_moses(translated)))
            elif display.n_best:
                out.rows(_several(translated))
            else:
                out.rows(_columns(translated, display, keep, sources=out.mode == TABLE))
            if display.attention and out.mode != JSON:
                _pictures(arguments, out, translated.attentions)
        for listener in listeners:
            listener.finish(translators)


def _columns(translated: Translated, display: DisplayOptions, keep: Sequence[str], *, sources: bool) -> list[Column]:
    left_out = {"source": not sources, "log_prob": not display.scores}
    columns = columns_of_rows([line.result for line in translated.lines], Translation)
    columns = [column for column in columns if not left_out.get(column.name)]
    if display.alignment:
        columns.append(Column("alignment", [pharaoh(each) for each in translated.attentions]))
    return columns + kept_columns(keep, translated.block.kept, beside=[column.name for column in columns])


def _several(translated: Translated) -> list[Column]:
    """Hypotheses, one per row."""
    rows = [(line.line, rank, h.result) for line in translated.lines for rank, h in enumerate(line.hypotheses, 1)]
    position = [
        Column("line", [line for line, _, _ in rows], WHOLE),
        Column("rank", [rank for _, rank, _ in rows], WHOLE),
    ]
    return position + columns_of_rows([hypothesis for _, _, hypothesis in rows], Hypothesis)


def _moses(translated: Translated) -> Iterator[str]:
    """`line ||| translation ||| log_prob`, with lines counted from 0 as in Moses; bars in the text are escaped."""
    for line in translated.lines:
        for h in line.hypotheses:
            text = tsv_field(h.text).replace("|||", "&#124;&#124;&#124;")
            yield f"{line.line - 1} ||| {text} ||| {LOG % h.log_prob}\n"


def pharaoh(attention: AttentionMap) -> str:
    """Word alignment in Pharaoh format, `0-0 1-2`: source word, target word."""
    return " ".join(f"{source}-{target}" for source, target in attention.alignment())


def as_json(attention: AttentionMap) -> dict[str, Any]:
    """Tokens of both sides, and a row of weights for each target token."""
    source, target = attention.pieces
    weights = [[round(weight, 4) for weight in row] for row in attention.weights.tolist()]
    return {"source": source, "target": target, "weights": weights}


def _objects(translated: Translated, display: DisplayOptions, keep: Sequence[str]) -> Iterator[dict[str, Any]]:
    for k, line in enumerate(translated.lines):
        row = {
            "line": line.line,
            **line.result.to_dict(),
            **({"alignment": pharaoh(translated.attentions[k])} if display.alignment else {}),
            **({"attention": as_json(translated.attentions[k])} if display.attention else {}),
        }
        yield with_kept(row, keep, translated.block.kept_of(k))


def _pictures(arguments: Arguments, out: Output, maps: Sequence[AttentionMap]) -> None:
    """Heat maps: on a terminal below the translations, otherwise on standard error, since standard output has one row
    per record."""
    from seqcli.report import heatmap  # brings rich

    if out.mode != TABLE and (arguments.results.quiet or sys.stderr is None):
        return
    color = out.color and (out.mode == TABLE or sys.stderr.isatty())
    drawn = "".join(
        f"{printable(each.source_text)}\n{heatmap.picture(each.weights, *each.pieces, color=color)}\n"
        for each in maps if len(each.target)
    )  # fmt: skip
    if out.mode == TABLE:
        out.write(drawn)
    else:
        arguments.reporter.clear()
        sys.stderr.write(drawn)
