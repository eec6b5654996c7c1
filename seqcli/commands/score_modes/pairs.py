"""Minimal pairs: how often the good sentence is the likelier one."""

from __future__ import annotations

from itertools import chain

from seqcli.commands.score_modes.job import Job
from seqcli.metrics import minimal_pairs
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import JSON
from seqcli.scoring.pairs import judge_pairs, read_pairs


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
