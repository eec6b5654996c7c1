"""`score`: one row per record or document with log-probability, perplexity and bits per byte of every model."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from seqcli.commands.score.arguments import Arguments, Contexts, Scorer
from seqcli.commands.score.differences import Differences
from seqcli.data import records
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel
from seqcli.metrics.perplexity import Totals
from seqcli.report.frame import Column, columns_of, fields_of, kept_columns, with_kept
from seqcli.report.output import JSON, TABLE, FormattedRows, Output
from seqcli.results.language import SentenceScore
from seqcli.results.result import formats
from seqcli.scoring.sentences import Sentences, score_block, score_documents
from seqcli.text import counted, significant

FIGURES = tuple(name for name in formats(SentenceScore) if name != "text")


def sentences(arguments: Arguments, *, contexts: Contexts) -> None:
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records(out))
        _begin(arguments, scorer, out)

        def score(block: Block) -> tuple[FormattedRows, dict[str, Sentences], int, int]:
            scored = {
                opened.name: score_block(opened, block, contexts=contexts.of(block)) for opened in scorer.of(block)
            }
            return (
                _formatted(arguments, block, scored, out, several=scorer.models.several),
                scored,
                len(block),
                len(block.data),
            )

        totals, differences = Tally(), Differences(arguments, scorer)
        done = 0
        for text, scored, count, size in scorer.map_blocks(score, out=out, by_record=True):
            out.write(text)
            totals.add(scored, records=count)
            differences.add(list(scored.values()))
            done += size
            arguments.reporter.progress("bytes scored", done)
        contexts.finish(totals.records)
        scorer.finish(totals.records)
    for opened in scorer.models.all:
        summarise(scorer, opened, totals.of(opened))
    differences.report([totals.of(opened) for opened in scorer.models.all])


def documents(arguments: Arguments) -> None:
    """One row per document: an argument, a row of a table, or all lines of a file."""
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records(), whole=not arguments.apart).alone()
        _begin(arguments, scorer, out)
        totals = Tally()
        for block, scored in scored_documents(arguments, scorer):
            out.write(_formatted(arguments, block, scored, out, several=scorer.models.several))
            totals.add(scored)
        scorer.models.note_samples()
    for opened in scorer.models.all:
        summarise(scorer, opened, totals.of(opened), unit="document")


def scored_documents(arguments: Arguments, scorer: Scorer) -> Iterator[tuple[Block, dict[str, Sentences]]]:
    """The scores of documents by all models; a document that is a file is named by its path. An empty file counts as
    a document."""
    files = [] if arguments.source.text else arguments.source.paths
    done = 0

    def of_file(number: int, blocks: Iterable[Block]) -> Iterator[tuple[Block, dict[str, Sentences]]]:
        def asked(block: Block | None) -> Sequence[OpenModel]:
            return scorer.models.of(block) if block is not None and arguments.apart else scorer.models.all

        for block, scored in score_documents(asked, blocks):
            yield block or Block(number + 1, files[number].encode("utf-8", "replace") + b"\n"), scored

    def empty(numbers: range) -> Iterator[tuple[Block, dict[str, Sentences]]]:
        for number in numbers:
            if not records.has_columns(files[number], arguments.source.format):
                yield from of_file(number, ())

    for number, blocks in groupby(scorer.blocks, key=lambda block: block.file):
        yield from empty(range(done, number))
        yield from of_file(number, blocks)
        done = number + 1
    yield from empty(range(done, len(files)))


class Tally:
    """Sums over all records, by model name."""

    def __init__(self):
        self.records = 0
        self._totals: dict[str, Totals] = {}

    def add(self, scored: dict[str, Sentences], *, records: int = 0) -> None:
        self.records += records
        for name, sums in scored.items():
            self._totals[name] = self._totals.get(name, Totals()) + sums.totals

    def of(self, opened: OpenModel) -> Totals:
        return self._totals.get(opened.name, Totals())


def summarise(scorer: Scorer, opened: OpenModel, total: Totals, *, unit: str = "line") -> None:
    """Prints a note on all records scored by one model."""
    note = scorer.arguments.reporter.note
    signature = scorer.arguments.signature_in(sys.stderr, scorer.signature(opened, unit=unit))
    if not total.sentences:
        note(f"{opened.name}: no records{signature}")
        return
    unknown = " (unknown words: compare with care)" if total.unknown else ""
    records, tokens = counted(total.sentences, "record"), counted(total.tokens, "token")
    figures = (
        ""
        if not total.tokens
        else f"; perplexity {significant(total.perplexity)}, {total.bits_per_byte:.4f} bits per byte"
    )
    note(f"{opened.name}: {records}, {tokens}, {total.unknown:,} unknown{unknown}{figures}{signature}")


def _begin(arguments: Arguments, scorer: Scorer, out: Output) -> None:
    prefixes = [f"{name}." for name in scorer.names] if scorer.models.several else [""]
    figures = chain.from_iterable(fields_of(SentenceScore, prefix=prefix, without={"text"}) for prefix in prefixes)
    out.begin([*figures, *kept_columns(arguments.source.keep or (), (), beside=formats(SentenceScore)), "text"])


def _formatted(
    arguments: Arguments, block: Block, scored: dict[str, Sentences], out: Output, *, several: bool
) -> FormattedRows:
    figures = {name: _figures(sums, arguments.unit) for name, sums in scored.items()}
    if out.mode == JSON:
        return out.formatted([], json=_objects(arguments, block, figures))
    kept = kept_columns(arguments.source.keep or (), block.kept, beside=formats(SentenceScore))
    others = [*kept, Column("text", block.records())]
    tall = several and out.mode == TABLE  # a row per record and model, instead of five columns per model
    prefixed = several and not tall
    columns = [
        columns_of(SentenceScore, values, prefix=f"{name}." if prefixed else "") for name, values in figures.items()
    ]
    return out.formatted(
        _by_model(list(figures), columns, others) if tall else [*chain.from_iterable(columns), *others]
    )


def _figures(sums: Sentences, unit: float) -> dict[str, Any]:
    """The fields of `SentenceScore` except the text, an array each."""
    return {"log_prob": sums.log_prob / unit, **{name: getattr(sums, name) for name in FIGURES[1:]}}


def _by_model(names: list[str], figures: list[list[Column]], others: list[Column]) -> list[Column]:
    """For a terminal: the scores of each record by all models, one below the other."""
    rows = len(others[-1].values)
    tall = [Column("model", [name for _ in range(rows) for name in names])]
    for columns in zip(*figures):
        values = [column.values[row] for row in range(rows) for column in columns]
        tall.append(Column(columns[0].name, values, columns[0].format, columns[0].shown))
    for column in others:
        tall.append(
            Column(column.name, [value if k == 0 else "" for value in column.values for k in range(len(names))])
        )
    return tall


def _objects(arguments: Arguments, block: Block, figures: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    keep = arguments.source.keep or ()
    by_model = {name: zip(*(values[figure].tolist() for figure in FIGURES)) for name, values in figures.items()}
    for k, text in enumerate(block.records()):
        scores = [{"model": name, **dict(zip(FIGURES, next(rows)))} for name, rows in by_model.items()]
        yield with_kept({"line": block.first + k, "text": text, "scores": scores}, keep, block.kept_of(k))
