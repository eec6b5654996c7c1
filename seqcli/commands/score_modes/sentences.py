"""Sums over records, documents and whole corpora, with the differences between models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from seqcli.commands.score_modes.differences import Differences
from seqcli.commands.score_modes.job import LOG, Contexts, Job
from seqcli.data import records
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel
from seqcli.metrics.perplexity import Totals
from seqcli.report.frame import WHOLE, Column, turned, with_kept
from seqcli.report.output import JSON, TABLE, Output
from seqcli.scoring.sentences import Sentences, score_block, score_documents

SUMS = ("log_prob", "perplexity", "bits_per_byte", "tokens", "unknown")


def sentences(job: Job, *, contexts: Contexts) -> None:
    with job.opened(by_record=True, shared=True) as out:
        names = [f"{m.name}.{name}" if job.many else name for m in job.models for name in SUMS]
        out.begin([*names, *(job.source.keep or ()), "text"])

        def shown(block: Block) -> tuple[str, list[Totals], list[Sentences] | None, int]:
            scored = {opened.name: score_block(opened, block, contexts=contexts.of(block)) for opened in job.asked(block)}
            columns = _sentence_columns(job, block, list(scored.values()), names, table=out.mode == TABLE)
            text = out.shown(columns, json=_json(job, block, scored, out))
            return text, _totals(scored), list(scored.values()) if job.many else None, len(block), len(block.data)

        totals: dict[str, Totals] = {}
        differences = Differences(job)
        records = done = 0
        for text, more, scored, count, size in job.answers(shown):
            out.write(text)
            _add(totals, more)
            if scored:
                differences.add(scored)
            records, done = records + count, done + size
            job.reporter.progress("bytes scored", done)
        contexts.check(records)
        job.check(records)
    for opened in job.models:
        _summarise(job, opened, totals.get(opened.name, Totals()))
    differences.report([totals.get(opened.name, Totals()) for opened in job.models])


def _totals(scored: dict[str, Sentences]) -> dict[str, Totals]:
    return {name: s.totals for name, s in scored.items()}


def _add(totals: dict[str, Totals], more: dict[str, Totals]) -> None:
    for name, each in more.items():
        totals[name] = totals.get(name, Totals()) + each


def _sentence_columns(
    job: Job, block: Block, scored: list[Sentences], names: list[str], *, table: bool
) -> list[Column]:
    named, columns = iter(names), []
    for s in scored:
        columns += [
            Column(next(named), s.log_prob / job.unit, LOG, "%.2f"),
            Column(next(named), s.perplexity, "%.4f", "%.4g"),
            Column(next(named), s.bits_per_byte, "%.4f", "%.3f"),
            Column(next(named), s.tokens, WHOLE),
            Column(next(named), s.unknown, WHOLE),
        ]
    for k, name in enumerate(job.source.keep or ()):
        columns.append(Column(name, [row[k] for row in block.kept]))
    columns.append(Column("text", block.records()))
    return _by_model(job, columns, len(block)) if table and job.many else columns


def _by_model(job: Job, columns: list[Column], rows: int) -> list[Column]:
    """For eyes: a row per record and model, instead of five columns a model."""
    models, sums = len(job.models), len(SUMS)
    tall = [Column("model", [m.name for _ in range(rows) for m in job.models])]
    for k, name in enumerate(SUMS):
        parts = [columns[m * sums + k] for m in range(models)]
        tall.append(Column(name, [p.values[r] for r in range(rows) for p in parts], parts[0].format, parts[0].shown))
    for column in columns[models * sums :]:
        tall.append(Column(column.name, [v if m == 0 else "" for v in column.values for m in range(models)]))
    return tall


def _json(job: Job, block: Block, scored: dict[str, Sentences], out: Output):
    if out.mode != JSON:
        return None
    columns = [
        (name, (s.log_prob / job.unit).tolist(), s.perplexity.tolist(), s.bits_per_byte.tolist(),
         s.tokens.tolist(), s.unknown.tolist())
        for name, s in scored.items()
    ]  # fmt: skip
    keep = job.source.keep or ()
    return (
        with_kept({
            "line": block.first + i,
            "text": text,
            "scores": [
                {"model": name, **{key: column[i] for key, column in zip(SUMS, values)}} for name, *values in columns
            ],
        }, keep, block.kept_of(i))
        for i, text in enumerate(block.records())
    )


def _summarise(job: Job, opened: OpenModel, total: Totals, *, unit: str = "line") -> None:
    if not total.sentences:
        job.reporter.note(f"{opened.name}: no records  {job.signature(opened)}")
        return
    unknown = " (unknown words: compare with care)" if total.unknown else ""
    records = "1 record" if total.sentences == 1 else f"{total.sentences:,} records"
    tokens = "1 token" if total.tokens == 1 else f"{total.tokens:,} tokens"
    figures = "" if not total.tokens else f"; perplexity {total.perplexity:.4g}, {total.bits_per_byte:.4f} bits per byte"
    job.reporter.note(
        f"{opened.name}: {records}, {tokens}, {total.unknown:,} unknown{unknown}{figures}  {job.signature(opened, unit=unit)}"
    )


def document(job: Job) -> None:
    """One row per document: an argument, a row of a table, or all lines of a file."""
    with job.opened(whole=not job.apart) as out:
        names = [f"{m.name}.{name}" if job.many else name for m in job.models for name in SUMS]
        out.begin([*names, *(job.source.keep or ()), "text"])
        totals: dict[str, Totals] = {}
        for block, scored in _documents(job):
            columns = _sentence_columns(job, block, list(scored.values()), names, table=out.mode == TABLE)
            out.rows(columns, json=_json(job, block, scored, out))
            _add(totals, _totals(scored))
        job.note_samples()
    for opened in job.models:
        _summarise(job, opened, totals.get(opened.name, Totals()), unit="document")


def _documents(job: Job) -> Iterator[tuple[Block, dict[str, Sentences]]]:
    """Documents under all models; one that is a file is called by its path. A file without text is one, too."""
    files = [] if job.source.text else job.source.paths
    done = 0

    def of_file(number: int, blocks: Iterable[Block]) -> Iterator[tuple[Block, dict[str, Sentences]]]:
        for block, scored in score_documents(job.asked if job.apart else lambda block: job.models, blocks):
            yield block or Block(number + 1, files[number].encode("utf-8", "replace") + b"\n"), scored

    def empty(numbers: range) -> Iterator[tuple[Block, dict[str, Sentences]]]:
        for number in numbers:
            if not records.has_columns(files[number], job.source.format):
                yield from of_file(number, ())

    for number, blocks in groupby(job.blocks, key=lambda block: block.file):
        yield from empty(range(done, number))
        yield from of_file(number, blocks)
        done = number + 1
    yield from empty(range(done, len(files)))


CORPUS = (
    "model", "sentences", "tokens", "unknown", "log_prob", "perplexity", "perplexity_known", "bits_per_byte",
    "bits_per_character", "signature",
)  # fmt: skip


def corpus(job: Job, *, document: bool) -> None:
    unit = "document" if document else "line"
    with job.opened(shared=not document, whole=document and not job.apart) as out:
        out.begin(CORPUS)
        by_name: dict[str, Totals] = {}
        differences = Differences(job)
        if document:
            for _, scored in _documents(job):
                _add(by_name, _totals(scored))
        else:

            def sums(block: Block) -> tuple[dict[str, Totals], list[Sentences] | None, int]:
                scored = {opened.name: score_block(opened, block) for opened in job.asked(block)}
                return _totals(scored), list(scored.values()) if job.many else None, len(block)

            records = 0
            for more, scored, count in job.answers(sums):
                _add(by_name, more)
                if scored:
                    differences.add(scored)
                records += count
                job.reporter.progress("records scored", records)
            job.check(records)
        totals = [by_name.get(m.name, Totals()) for m in job.models]
        columns = [
            Column("model", [m.name for m in job.models]),
            Column("sentences", [t.sentences for t in totals], WHOLE),
            Column("tokens", [t.tokens for t in totals], WHOLE),
            Column("unknown", [t.unknown for t in totals], WHOLE),
            Column("log_prob", [t.log_prob / job.unit for t in totals], LOG, "%.1f"),
            Column("perplexity", [t.perplexity for t in totals], "%.4f", "%.2f"),
            Column("perplexity_known", [t.perplexity_known for t in totals], "%.4f", "%.2f"),
            Column("bits_per_byte", [t.bits_per_byte for t in totals], "%.4f"),
            Column("bits_per_character", [t.bits_per_character for t in totals], "%.4f"),
            Column("signature", [job.signature(m, unit=unit) for m in job.models]),
        ]
        if out.mode == TABLE:
            out.rows(turned(columns[:-1]))
            for m in job.models:
                job.reporter.note(f"{m.name}: {job.signature(m, unit=unit)}")
        else:
            out.rows(columns)
    if not document:
        differences.report(totals)
