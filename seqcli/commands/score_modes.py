"""The questions of `seqcli score`, one function each: read blocks, ask the models, write rows.

The arithmetic is in `scoring/` and `metrics/`; here rows get their columns, units and summaries.
"""

from __future__ import annotations

import math
import os
from itertools import chain

from seqcli.commands.jobs import ModelJob
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block, read_blocks
from seqcli.data.parallel import ordered_map
from seqcli.errors import InputError
from seqcli.interfaces import OpenModel, Reporter
from seqcli.metrics import minimal_pairs, signature
from seqcli.metrics.bootstrap import PairedBootstrap
from seqcli.metrics.perplexity import Totals
from seqcli.report.frame import WHOLE, Column, bar, turned
from seqcli.report.output import JSON, TABLE, TSV, Output
from seqcli.scoring import comparisons
from seqcli.scoring.pairs import judge_pairs, read_pairs
from seqcli.scoring.sentences import Sentences, score_block, score_documents
from seqcli.scoring.tokens import score_tokens, score_words

EXAMPLE = 'seqcli score "I study machine learning"'
_UNIT = {"e": 1.0, "2": math.log(2), "10": math.log(10)}
LOG = "%.6f"
SUMS = ("log_prob", "perplexity", "bits_per_byte", "tokens", "unknown")


class Job(ModelJob):
    """What every mode needs: the records, the opened models, the unit of logarithms."""

    def __init__(
        self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *,
        machine: Machine, base: str, seed: int,
    ):  # fmt: skip
        super().__init__(source, results, reporter, sources, machine=machine, example=EXAMPLE)
        self.base, self.unit, self.seed = base, _UNIT[base], seed

    def signature(self, opened: OpenModel, *, unit: str = "line") -> str:
        return signature.of_language_model(opened, unit=unit, base=self.base)


class _Contexts:
    """What stands before each record and is not counted: one text for all, or a file's lines in step."""

    def __init__(self, context: str | None):
        self._where = context
        self._lines: list[str] | None = None if context is None else [context]
        if context is not None and os.path.isfile(context):  # of Path, a long text would be an error
            self._lines = [line for block in read_blocks(context) for line in block.records()]

    def of(self, block: Block) -> list[str] | None:
        if self._lines is None:
            return None
        if len(self._lines) == 1:
            return self._lines * len(block)
        self._expect(block.first - 1 + len(block) <= len(self._lines), "more")
        return self._lines[block.first - 1 : block.first - 1 + len(block)]

    def check(self, records: int) -> None:
        """At the end: no line was left over."""
        self._expect(self._lines is None or len(self._lines) <= max(records, 1), "fewer")

    def _expect(self, sound: bool, what: str) -> None:
        if not sound:
            cure = "give one line per record"
            raise InputError(f"{len(self._lines)} contexts for {what} records", where=self._where, cure=cure)


def sentences(job: Job, *, context: str | None) -> None:
    contexts = _Contexts(context)
    with job.opened(by_record=True) as out:
        names = [f"{m.name}.{name}" if job.many else name for m in job.models for name in SUMS]
        out.begin([*names, *(job.source.keep or ()), "text"])

        def shown(block: Block) -> tuple[str, list[Totals], list[Sentences] | None, int]:
            scored = [score_block(opened, block, contexts=contexts.of(block)) for opened in job.models]
            columns = _sentence_columns(job, block, scored, names, table=out.mode == TABLE)
            text = out.shown(columns, json=_json(job, block, scored, out))
            return text, [s.totals for s in scored], scored if job.many else None, len(block.data)

        totals = [Totals() for _ in job.models]
        comparison = _Comparison(job)
        done = 0
        for text, more, scored, size in ordered_map(shown, job.blocks, workers=job.workers(out)):
            out.write(text)
            totals = [a + b for a, b in zip(totals, more)]
            if scored:
                comparison.add(scored)
            done += size
            job.reporter.progress("bytes scored", done)
        contexts.check(totals[0].sentences)
    for opened, total in zip(job.models, totals):
        _summarise(job, opened, total)
    comparison.report()


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


def _json(job: Job, block: Block, scored: list[Sentences], out: Output):
    if out.mode != JSON:
        return None
    columns = [
        (opened.name, (s.log_prob / job.unit).tolist(), s.perplexity.tolist(), s.bits_per_byte.tolist(),
         s.tokens.tolist(), s.unknown.tolist())
        for opened, s in zip(job.models, scored)
    ]  # fmt: skip
    keep = job.source.keep or ()
    return (
        {
            "line": block.first + i,
            "text": text,
            **(dict(zip(keep, block.kept[i])) if keep else {}),
            "scores": [
                {"model": name, **{key: column[i] for key, column in zip(SUMS, values)}} for name, *values in columns
            ],
        }
        for i, text in enumerate(block.records())
    )


def _summarise(job: Job, opened: OpenModel, total: Totals, *, unit: str = "line") -> None:
    if not total.sentences:
        job.reporter.note(f"{opened.name}: no records  {job.signature(opened)}")
        return
    unknown = " (unknown words: compare with care)" if total.unknown else ""
    job.reporter.note(
        f"{opened.name}: {total.sentences:,} records, {total.tokens:,} tokens, {total.unknown:,} unknown{unknown}; "
        f"perplexity {total.perplexity:.4g}, {total.bits_per_byte:.4f} bits per byte  {job.signature(opened, unit=unit)}"
    )


class _Comparison:
    """Differences between the first model and each other, with their intervals."""

    def __init__(self, job: Job):
        self._job = job
        self._pairs = [PairedBootstrap() for _ in job.models[1:]]
        self._any = False

    def add(self, scored: list[Sentences]) -> None:
        self._any = True
        for pair, other in zip(self._pairs, scored[1:]):
            pair.add(-scored[0].log_prob / math.log(2), -other.log_prob / math.log(2), other.bytes)

    def report(self) -> None:
        if not self._any:
            return
        first = self._job.models[0].name
        for pair, other in zip(self._pairs, self._job.models[1:]):
            mean, low, high = pair.interval(seed=self._job.seed)
            verdict = "no clear difference" if low <= 0 <= high else f"{first if mean < 0 else other.name} is better"
            self._job.reporter.note(
                f"{first} - {other.name}: {mean:+.4f} bits per byte, 95 % interval {low:+.4f} to {high:+.4f} "
                f"(paired bootstrap): {verdict}"
            )


def document(job: Job) -> None:
    """One row per input: all of it is one text."""
    with job.opened() as out:
        names = [f"{m.name}.{name}" if job.many else name for m in job.models for name in SUMS]
        out.begin([*names, "text"])
        scored = score_documents(job.models, job.blocks)
        row = Block(1, (job.source.input or "-").encode("utf-8", "replace") + b"\n")
        columns = _sentence_columns(job, row, scored, names, table=out.mode == TABLE)
        out.rows(columns, json=_json(job, row, scored, out))
    for opened, s in zip(job.models, scored):
        _summarise(job, opened, s.totals, unit="document")


CORPUS = (
    "model", "sentences", "tokens", "unknown", "log_prob", "perplexity", "perplexity_known", "bits_per_byte",
    "bits_per_character", "signature",
)  # fmt: skip


def corpus(job: Job, *, document: bool) -> None:
    unit = "document" if document else "line"
    with job.opened() as out:
        out.begin(CORPUS)
        totals = [Totals() for _ in job.models]
        comparison = _Comparison(job)
        if document:
            totals = [scored.totals for scored in score_documents(job.models, job.blocks)]
        else:

            def sums(block: Block) -> tuple[list[Totals], list[Sentences] | None]:
                scored = [score_block(opened, block) for opened in job.models]
                return [s.totals for s in scored], scored if job.many else None

            for more, scored in ordered_map(sums, job.blocks, workers=job.threads):
                totals = [a + b for a, b in zip(totals, more)]
                if scored:
                    comparison.add(scored)
                job.reporter.progress("records scored", totals[0].sentences)
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
        comparison.report()


def tokens(job: Job, *, words: bool, context: str | None, rank: bool) -> None:
    contexts = _Contexts(context)
    records = 0
    with job.opened(by_record=True) as out:
        unit_name = "word" if words else "token"
        models = ["model"] if job.many else []
        out.begin([*models, "line", "index", unit_name, "log_prob", *(["rank"] if rank else [])])
        for block in job.blocks:
            given = contexts.of(block)
            records += len(block)
            answers = []
            for opened in job.models:
                ask = score_words(opened, block, contexts=given) if words else score_tokens(opened, block, contexts=given, rank=rank)
                answers += [(opened.name, row) for row in ask]
            answers.sort(key=lambda answer: answer[1].line)  # a record's models together, however it came into a block
            rows = [row for _, row in answers]
            columns = [
                *([Column("model", [name for name, _ in answers])] if job.many else []),
                Column("line", [row.line for row in rows], WHOLE),
                Column("index", [row.index for row in rows], WHOLE),
                Column(unit_name, [row.token for row in rows]),
                Column("log_prob", [row.log_prob / job.unit for row in rows], LOG, "%.4f"),
            ]
            if out.mode != TSV and rows and rows[0].order is not None:
                columns.append(Column("order", [row.order for row in rows], WHOLE))
            if rank:
                columns.append(Column("rank", [row.rank for row in rows], WHOLE))
            out.rows(columns)
        contexts.check(records)


def scramble(job: Job, *, sample: int) -> None:
    with job.opened() as out:
        out.begin([*(["model"] if job.many else []), "line", "rank", "orderings", "mass", "ties", "log_prob", "text"])
        for block in job.blocks:
            for number, text in enumerate(block.records(), block.first):
                answers = [comparisons.scramble(m, text, sample=sample, seed=job.seed) for m in job.models]
                if out.mode == JSON:
                    out.rows([], json=[_scramble_json(job, number, m, a) for m, a in zip(job.models, answers)])
                    continue
                if out.mode == TABLE:
                    _show_scramble(job, out, answers)
                    continue
                columns = [
                    Column("model", [m.name for m in job.models]),
                    Column("line", [number] * len(answers), WHOLE),
                    Column("rank", [a.rank for a in answers], WHOLE),
                    Column("orderings", [a.orderings for a in answers], WHOLE),
                    Column("mass", [a.mass for a in answers], "%.6f"),
                    Column("ties", [a.ties for a in answers], WHOLE),
                    Column("log_prob", [a.log_prob / job.unit for a in answers], LOG),
                    Column("text", [text] * len(answers)),
                ]
                out.rows(columns if job.many else columns[1:])


def _show_scramble(job: Job, out: Output, answers: list[comparisons.Scramble]) -> None:
    """For eyes: where the text stands, and the likeliest orderings of each model."""
    for opened, answer in zip(job.models, answers):
        of = f"{answer.orderings:,} {'sampled ' if answer.sampled else ''}orderings of {answer.text!r}"
        ties = f", {answer.ties} tied" if answer.ties else ""
        out.rows(
            [
                Column("log_prob", [value / job.unit for _, value in answer.best], "%.2f"),
                Column("share", [bar(share) for share in answer.best_shares]),
                Column("", ["→" if text == answer.text else "" for text, _ in answer.best]),
                Column("likeliest", [text for text, _ in answer.best]),
            ],
            title=f"{opened.name}: rank {answer.rank}{ties} of {of}, {answer.mass:.1%} of their mass",
        )


def _scramble_json(job: Job, number: int, opened: OpenModel, answer: comparisons.Scramble) -> dict:
    return {
        "line": number,
        "model": opened.name,
        "rank": answer.rank,
        "orderings": answer.orderings,
        "sampled": answer.sampled,
        "mass": answer.mass,
        "ties": answer.ties,
        "log_prob": answer.log_prob / job.unit,
        "text": answer.text,
        "best": [{"text": text, "log_prob": value / job.unit} for text, value in answer.best],
    }


def choices(job: Job) -> None:
    with job.opened() as out:
        out.begin([*(["model"] if job.many else []), "line", "rank", "log_prob", "share", "text"])
        for block in job.blocks:
            for number, template in enumerate(block.records(), block.first):
                for opened in job.models:
                    try:
                        answers = comparisons.choices(opened, template)
                    except InputError as error:
                        raise InputError(error.what, where=f"record {number}", cure=error.cure) from None
                    columns = [
                        Column("line", [number] * len(answers), WHOLE),
                        Column("rank", [a.rank for a in answers], WHOLE),
                        Column("log_prob", [a.log_prob / job.unit for a in answers], LOG, "%.2f"),
                        Column("share", [a.share for a in answers], "%.6f", "%.4f"),
                        Column("text", [a.text for a in answers]),
                    ]
                    if out.mode == TABLE:
                        columns.insert(3, Column("", [bar(a.share) for a in answers]))
                    if job.many or out.mode == JSON:
                        columns.insert(0, Column("model", [opened.name] * len(answers)))
                    out.rows(columns)


def pairs(job: Job, path: str) -> None:
    batches = read_pairs(path, encoding=job.source.encoding, strict=job.source.strict)
    first = next(batches, [])
    job.blocks, job.beginning = iter(()), "".join(pair.good for pair in first)
    with job.opened() as out:
        out.begin([*(["model"] if job.many else []), "tag", "pairs", "correct", "ties", "accuracy", "ci_low", "ci_high"])
        results = judge_pairs(job.models, chain([first], batches))
        rows = [(tag, m, tally) for tag, tallies in results.tallies.items() for m, tally in zip(job.models, tallies)]
        columns = [
            Column("tag", [tag for tag, _, _ in rows]),
            Column("pairs", [t.pairs for _, _, t in rows], WHOLE),
            Column("correct", [t.correct for _, _, t in rows], WHOLE),
            Column("ties", [t.ties for _, _, t in rows], WHOLE),
            Column("accuracy", [t.accuracy for _, _, t in rows], "%.4f", "%.3f"),
            Column("ci_low", [t.interval()[0] for _, _, t in rows], "%.4f", "%.3f"),
            Column("ci_high", [t.interval()[1] for _, _, t in rows], "%.4f", "%.3f"),
        ]
        if job.many or out.mode == JSON:
            columns.insert(0, Column("model", [m.name for _, m, _ in rows]))
        out.rows(columns)
    for opened in job.models:
        job.reporter.note(job.signature(opened))
    if len(job.models) == 2:
        first, second = results.only
        p = minimal_pairs.mcnemar(first, second)
        job.reporter.note(
            f"only {job.models[0].name} right: {first}, only {job.models[1].name} right: {second}; "
            f"McNemar's exact test p = {p:.4g}"
        )
