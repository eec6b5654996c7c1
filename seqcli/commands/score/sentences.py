"""`score`: log-probability, perplexity and bits per byte of every record, of every document, or of all records together."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from seqcli.commands.score.scorer import Arguments, Contexts, Scorer
from seqcli.data import records
from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel, is_pseudo
from seqcli.metrics.perplexity import Totals
from seqcli.metrics.significance import RESAMPLES, PairedBootstrap
from seqcli.report.frame import Column, columns_of, columns_of_rows, fields_of, kept_columns, turned, with_kept
from seqcli.report.output import JSON, TABLE, FormattedRows, Output
from seqcli.results import formats
from seqcli.results.language import CorpusScore, SentenceScore
from seqcli.scoring.sentences import Sentences, score_block, score_documents
from seqcli.text import counted, significant

FIGURES = tuple(name for name in formats(SentenceScore) if name != "text")


def sentences(arguments: Arguments, *, contexts: Contexts) -> None:
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records(out))
        several = scorer.models.several
        _begin(arguments, scorer, out)

        def score(block: Block) -> tuple[FormattedRows, dict[str, Sentences], int, int]:
            scored = {
                opened.name: score_block(opened, block, contexts=contexts.of(block)) for opened in scorer.of(block)
            }
            rows = _formatted(arguments, block, scored, out, several=several)
            return rows, scored, len(block), len(block.data)

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
    models = scorer.models.all
    for opened in models:
        summarise(scorer, opened, totals.of(opened))
    differences.report([totals.of(opened) for opened in models])


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
        def models_of(block: Block | None) -> Sequence[OpenModel]:
            return scorer.models.of(block) if block is not None and arguments.apart else scorer.models.all

        for block, scored in score_documents(models_of, blocks):
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


def corpus(arguments: Arguments) -> None:
    """One row per model, with the scores of all records together."""
    document = arguments.document
    unit = "document" if document else "line"
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records(), whole=document and not arguments.apart)
        out.begin(fields_of(CorpusScore))
        totals, differences = Tally(), Differences(arguments, scorer)
        if document:
            scorer.alone()
            for _, scored in scored_documents(arguments, scorer):
                totals.add(scored)
        else:

            def score(block: Block) -> tuple[dict[str, Sentences], int]:
                return {opened.name: score_block(opened, block) for opened in scorer.of(block)}, len(block)

            for scored, count in scorer.map_blocks(score, out=out):
                totals.add(scored, records=count)
                differences.add(list(scored.values()))
                arguments.reporter.progress("records scored", totals.records)
            scorer.finish(totals.records)
        models = scorer.models.all
        rows = [
            CorpusScore.of(m.name, totals.of(m), signature=scorer.signature(m, unit=unit), unit=arguments.unit)
            for m in models
        ]
        columns = columns_of_rows(rows, CorpusScore)
        if out.mode == TABLE:
            out.rows(turned(columns[:-1]))
            for row in rows:
                if signature := arguments.signature_in(out, row.signature):
                    arguments.reporter.note(f"{row.model}:{signature}")
        else:
            out.rows(columns)
    if not document:
        differences.report([totals.of(opened) for opened in models])


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


class Differences:
    """Differences in bits per byte between the first model of -m and each other one, with a bootstrap interval and a verdict where
    possible."""

    def __init__(self, arguments: Arguments, scorer: Scorer):
        self._note, self._seed = arguments.reporter.note, arguments.seed
        self._models = scorer.models.chosen
        self._pairs = [PairedBootstrap() for _ in self._models[1:]]

    def add(self, scored: Sequence[Sentences]) -> None:
        """Adds the scores of the same records by every model; models differ in the number of bytes if they differ in
        scoring line ends."""
        first = scored[0]
        for pair, other in zip(self._pairs, scored[1:]):
            pair.add(-first.log_prob / math.log(2), first.bytes, -other.log_prob / math.log(2), other.bytes)

    def report(self, totals: Sequence[Totals]) -> None:
        """Prints a note for each difference. totals: of each model."""
        if not self._pairs or not totals[0].sentences:
            return
        first, *others = (opened.name for opened in self._models)
        first_pseudo, *others_pseudo = (is_pseudo(opened.model) for opened in self._models)
        for pair, other, total, pseudo in zip(self._pairs, others, totals[1:], others_pseudo):
            # Of the figures as they are shown, so that the three agree to the last digit
            difference = round(totals[0].bits_per_byte, 4) - round(total.bits_per_byte, 4)
            figure = (
                f"{first} - {other}: {difference:+.4f} bits per byte"
                if math.isfinite(difference)
                else f"{first} - {other}"
            )
            reason = _no_verdict({first: totals[0], other: total})
            if pseudo != first_pseudo:
                reason = f"{other if pseudo else first} is a masked model: a pseudo-log-likelihood is not log p(text)"
            if reason is None:
                mean, low, high = pair.interval(seed=self._seed)
                if mean and math.isclose(low, high, rel_tol=1e-9):  # empty lines, or copies of one sentence
                    reason = "all records are equal"
            if reason:
                self._note(f"{figure}: no verdict, since {reason}")
                continue
            verdict = "no clear difference" if low <= 0 <= high else f"{first if high < 0 else other} is better"
            self._note(
                f"{figure}, 95 % interval {low:+.4f} to {high:+.4f} (paired bootstrap, {RESAMPLES:,} samples): {verdict}"
            )


def _no_verdict(totals: dict[str, Totals]) -> str | None:
    """Why two models cannot be compared on these records; None if they can."""
    if min(total.sentences for total in totals.values()) < 2:
        return "one record gives no interval"
    for name, total in totals.items():
        if not math.isfinite(total.log_prob):
            return f"{name} gives a record probability zero"
        if not total.bytes:
            return "the records are empty"
    if len({total.unknown for total in totals.values()}) > 1:  # `<unk>` is more probable than any word that it replaces
        return f"the numbers of unknown tokens differ ({', '.join(f'{name}: {total.unknown:,}' for name, total in totals.items())})"
    return None


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
    out.begin([*figures, *_kept(arguments, ()), "text"])


def _kept(arguments: Arguments, rows: Sequence[Sequence[str]]) -> list[Column]:
    keep = arguments.source.keep
    return kept_columns(keep, rows, beside=formats(SentenceScore)) if keep else []


def _formatted(
    arguments: Arguments, block: Block, scored: dict[str, Sentences], out: Output, *, several: bool
) -> FormattedRows:
    figures = {name: _figures(sums, arguments.unit) for name, sums in scored.items()}
    if out.mode == JSON:
        return out.formatted([], json=_objects(arguments, block, figures))
    others = [*_kept(arguments, block.kept), Column("text", block.records())]
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
