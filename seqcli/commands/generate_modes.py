"""The answers of `seqcli generate`: texts that go on, and distributions over the next token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from seqcli.commands.jobs import ModelJob as Job
from seqcli.data.lines import Block
from seqcli.decoding.generate import GenerationSettings, GrowingText, generate, grow, samples_of
from seqcli.decoding.next_token import NextTokenPredictor
from seqcli.decoding.policy import Policy
from seqcli.interfaces import OpenModel
from seqcli.report.frame import WHOLE, Column, bar, json_line, with_kept
from seqcli.report.output import JSON, TABLE, Output
from seqcli.text import printable, tsv_field

EXAMPLE = 'seqcli generate "I study"'
_TOGETHER = 1 << 13  # bytes of prompts: a few hundred


def settings(policy: dict[str, Any], **others) -> GenerationSettings:
    return GenerationSettings(policy=Policy(**policy), **others)


def texts(job: Job, settings: GenerationSettings, *, prompted: bool) -> None:
    """A text per record and sample."""
    keep = job.source.keep or ()
    with job.opened(by_record=True, shared=True, size=_TOGETHER) as out:
        out.begin([*keep, "text"])
        if out.mode == TABLE:
            for block in job.blocks:
                _stream(job, out, block, settings, prompted=prompted)
            return

        def rows_of(block: Block) -> Iterator[str]:
            for row in generate(job.asked(block)[0], block.records(), settings, first=block.first):
                kept = block.kept_of(row.line - block.first)
                if out.mode == JSON:
                    yield json_line(with_kept(_object(row), keep, kept))
                else:
                    text = row.prompt.text + row.text if prompted else row.text
                    yield "\t".join(map(tsv_field, [*kept, text])) + "\n"

        for done, row in enumerate(chain.from_iterable(map(rows_of, job.blocks)), 1):
            out.write(row)
            job.reporter.progress("texts generated", done)


def _object(row: GrowingText) -> dict[str, Any]:
    return {
        "line": row.line, "prompt": row.prompt.text, "text": row.text, "log_prob": row.log_prob,
        "tokens": len(row.ids), "finish_reason": row.finish_reason,
    }  # fmt: skip


def _stream(job: Job, out: Output, block: Block, settings: GenerationSettings, *, prompted: bool) -> None:
    """For eyes: every token when it comes, one text after another."""
    out.line_buffered = True
    shown: int | None = None
    for row in _growing(job.asked(block)[0], block, settings):
        if shown is None:
            kept = block.kept_of(row.line - block.first)
            out.write(_printable("  ".join([*kept, row.prompt.text * prompted])))
            shown = 0
        out.write(_printable(row.text[shown:]))
        shown = len(row.text)
        if row.finish_reason:
            out.write("\n")
            shown = None


def _growing(opened: OpenModel, block: Block, settings: GenerationSettings) -> Iterator[GrowingText]:
    """One row after another, each time it has grown; of beam search, when it is found."""
    if settings.beam_size:
        return generate(opened, block.records(), settings, first=block.first)
    samples = samples_of(opened, block.records(), settings, first=block.first)
    return (row for sample in samples for row in grow(opened, [sample], settings))


def _printable(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def next_tokens(job: Job, *, k: int) -> None:
    """The k likeliest next tokens after each record, of every model."""
    with job.opened() as out:
        names = [[f"{m.name}.{name}" if job.many else name for name in ("token", "probability")] for m in job.models]
        out.begin(["line", "rank", *chain.from_iterable(names)])
        models: dict[str, NextTokenPredictor] = {}
        for block in job.blocks:
            records = block.records()
            asked = job.asked(block)
            models |= {opened.name: NextTokenPredictor(opened) for opened in asked if opened.name not in models}
            answers = zip(*(models[opened.name].after(records, k=k) for opened in asked))
            for line, (text, found) in enumerate(zip(records, answers), block.first):
                if out.mode == JSON:
                    out.rows([], json=_next_objects(asked, line, text, found))
                    continue
                rows = range(max(map(len, found)))
                columns = [] if out.mode == TABLE else [
                    Column("line", [line] * len(rows), WHOLE), Column("rank", [row + 1 for row in rows], WHOLE)
                ]  # fmt: skip
                for (token, probability), best in zip(names, found):
                    best = [*best, *[("", None)] * (len(rows) - len(best))]  # a smaller vocabulary
                    columns += [
                        Column(token, [name for name, _ in best]),
                        Column(probability, [p for _, p in best], "%.6f", "%.4f"),
                    ]
                    if out.mode == TABLE:
                        columns.append(Column("", [bar(p or 0) for _, p in best]))
                out.rows(columns, title=f"after {text!r}" if job.many else f"{asked[0].name}, after {text!r}")


def _next_objects(
    asked: list[OpenModel], line: int, text: str, found: Iterable[list[tuple[str, float]]]
) -> Iterator[dict[str, Any]]:
    for opened, best in zip(asked, found):
        likeliest = [{"token": token, "probability": p} for token, p in best]
        yield {"line": line, "prompt": text, "model": opened.name, "next": likeliest}
