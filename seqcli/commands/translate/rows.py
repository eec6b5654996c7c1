"""`translate`: a translation for every record, or its `n` best."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seqcli.commands.models import Models
from seqcli.commands.translate.arguments import Arguments, Translated
from seqcli.data.lines import Block
from seqcli.decoding.attention import AttentionMap
from seqcli.interfaces import OpenTranslator
from seqcli.report.frame import WHOLE, Column, columns_of_rows, kept_columns, with_kept
from seqcli.report.output import JSON, TABLE, TSV, Output
from seqcli.results import LOG
from seqcli.results.translation import Hypothesis, Translation
from seqcli.text import printable, tsv_field


@dataclass(frozen=True)
class DisplayOptions:
    """What is shown with a translation. n_best: several per record, in the format of Moses; attention_elsewhere:
    attention is written to a file."""

    scores: bool = False
    n_best: bool = False
    alignment: bool = False
    attention: bool = False
    attention_elsewhere: bool = False

    @property
    def attending(self) -> bool:
        """Whether the attention is needed."""
        return self.alignment or self.attention or self.attention_elsewhere


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
