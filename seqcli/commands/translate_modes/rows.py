"""A translation for every record, or its `n` best."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seqcli.commands.translate_modes.job import Answers, Job
from seqcli.decoding.attention import Attention
from seqcli.decoding.translate import Hypothesis
from seqcli.report.frame import WHOLE, Column, with_kept
from seqcli.report.output import JSON, TABLE, Output
from seqcli.text import printable, tsv_field

LOG = "%.6f"


@dataclass(frozen=True)
class Shown:
    """What stands beside a translation. n_best: several of each record, in Moses' format."""

    scores: bool = False
    n_best: bool = False
    alignment: bool = False
    attention: bool = False


class Listener(Protocol):
    """Who else wants to know all translations."""

    def add(self, answers: Answers) -> None: ...

    def finish(self) -> None: ...


def rows(job: Job, shown: Shown, listeners: Sequence[Listener]) -> None:
    keep = job.source.keep or ()
    with job.opened() as out:
        if not shown.n_best:
            names = ["log_prob"] * shown.scores + ["alignment"] * shown.alignment
            out.begin(["translation", *names, *keep])
        for answers in job.translated():
            for listener in listeners:
                listener.add(answers)
            if out.mode == JSON:
                out.rows([], json=_objects(answers, shown, keep))
            elif out.mode == TABLE:
                out.rows(_several(answers) if shown.n_best else _columns(answers, shown, keep, sources=True))
            elif shown.n_best:
                out.write("".join(_moses(answers)))
            else:
                out.rows(_columns(answers, shown, keep))
            if shown.attention and out.mode != JSON:
                _pictures(job, out, answers.attentions)
        for listener in listeners:
            listener.finish()


def _columns(answers: Answers, shown: Shown, keep: Sequence[str], *, sources: bool = False) -> list[Column]:
    found = answers.translations
    columns = [Column("source", [each.source for each in found])] if sources else []
    columns.append(Column("translation", [each.best.text for each in found]))
    if shown.scores:
        columns.append(Column("log_prob", [each.best.log_prob for each in found], LOG, "%.2f"))
    if shown.alignment:
        columns.append(Column("alignment", [pharaoh(each) for each in answers.attentions]))
    return columns + [Column(name, [row[k] for row in answers.block.kept]) for k, name in enumerate(keep)]


def _several(answers: Answers) -> list[Column]:
    """For eyes."""
    each = [(t.line, rank, h) for t in answers.translations for rank, h in enumerate(t.hypotheses, 1)]
    return [
        Column("line", [line for line, _, _ in each], WHOLE), Column("rank", [rank for _, rank, _ in each], WHOLE),
        Column("translation", [h.text for _, _, h in each]), Column("log_prob", [h.log_prob for _, _, h in each], LOG, "%.2f"),
    ]  # fmt: skip


def _moses(answers: Answers) -> Iterator[str]:
    """`line ||| translation ||| log_prob`, lines counted from 0 as Moses does; a bar that could be taken for its own is escaped."""
    for translation in answers.translations:
        for h in translation.hypotheses:
            text = tsv_field(h.text).replace("|||", "&#124;&#124;&#124;")
            yield f"{translation.line - 1} ||| {text} ||| {LOG % h.log_prob}\n"


def pharaoh(attention: Attention) -> str:
    """`0-0 1-2`: source word, target word."""
    return " ".join(f"{source}-{target}" for source, target in attention.alignment())


def names(attention: Attention) -> tuple[list[str], list[str]]:
    """Of the pieces of source and target."""
    return [piece.text for piece in attention.source], [piece.text for piece in attention.target]


def as_json(attention: Attention) -> dict[str, Any]:
    """Pieces of both sides, and a row of weights for each of the target's."""
    source, target = names(attention)
    weights = [[round(weight, 4) for weight in row] for row in attention.weights.tolist()]
    return {"source": source, "target": target, "weights": weights}


def _objects(answers: Answers, shown: Shown, keep: Sequence[str]) -> Iterator[dict[str, Any]]:
    for k, translation in enumerate(answers.translations):
        row = {
            "line": translation.line,
            "source": translation.source,
            **_object(translation.best),
            "n_best": [_object(hypothesis) for hypothesis in translation.hypotheses],
            **({"alignment": pharaoh(answers.attentions[k])} if shown.alignment else {}),
            **({"attention": as_json(answers.attentions[k])} if shown.attention else {}),
        }
        yield with_kept(row, keep, answers.block.kept_of(k))


def _object(hypothesis: Hypothesis) -> dict[str, Any]:
    return {"translation": hypothesis.text, "log_prob": hypothesis.log_prob, "finish_reason": hypothesis.finish_reason}


def _pictures(job: Job, out: Output, maps: Sequence[Attention]) -> None:
    """On a terminal below the translations; else on standard error, since standard output is a row a record."""
    from seqcli.report import heatmap  # brings rich

    if out.mode != TABLE and (job.results.quiet or sys.stderr is None):
        return
    color = out.color and (out.mode == TABLE or sys.stderr.isatty())
    drawn = "".join(
        f"{printable(each.source_text)}\n{heatmap.picture(each.weights, *names(each), color=color)}\n"
        for each in maps if len(each.target)
    )  # fmt: skip
    if out.mode == TABLE:
        out.write(drawn)
    else:
        job.reporter.clear()
        sys.stderr.write(drawn)
