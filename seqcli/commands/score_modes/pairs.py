"""Minimal pairs: how often the good sentence is the likelier one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from seqcli.commands.by_script import ByScript
from seqcli.commands.score_modes.job import Job
from seqcli.metrics import minimal_pairs
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import JSON
from seqcli.scoring.pairs import Pair, judge_pairs, read_pairs, score_pairs
from seqcli.text import UNK

if TYPE_CHECKING:
    import numpy as np


def pairs(job: Job, path: str) -> None:
    from seqcli.tokenizers import words

    batches = read_pairs(path, format=job.source.format, **job.source.reading)
    first = next(batches, [])
    job.blocks, job.beginning = iter(()), first[0].good if first else ""
    with job.opened() as out:
        out.begin([*(["model"] if job.many else []), "tag", "pairs", "correct", "ties", "accuracy", "ci_low", "ci_high"])
        unknown = 0

        def counting(batches: Iterable[list[Pair]]) -> Iterator[list[Pair]]:
            nonlocal unknown
            for pairs in batches:
                unknown += sum(words.written(f"{pair.good}\n{pair.bad}\n".encode(), (UNK,)) for pair in pairs)
                yield pairs

        batches = counting(chain([first], batches))
        if job.samples:
            results = judge_pairs([job.samples], batches, score=_by_script)
            names = ["+".join(m.name for m in job.models)]
            job.note_samples()
        else:
            results = judge_pairs(job.models, batches)
            names = [m.name for m in job.models]
        job.note_unknown(unknown)
        rows = [(tag, name, tally) for tag, tallies in results.tallies.items() for name, tally in zip(names, tallies)]
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
            columns.insert(0, Column("model", [name for _, name, _ in rows]))
        out.rows(columns)
    for opened in job.models:
        job.reporter.note(job.signature(opened))
    if len(names) == 2:
        first, second = results.only
        p = minimal_pairs.mcnemar(first, second)
        job.reporter.note(
            f"only {job.models[0].name} right: {first}, only {job.models[1].name} right: {second}; "
            f"McNemar's exact test p = {p:.4g}"
        )


def _by_script(samples: ByScript, pairs: list[Pair]) -> np.ndarray:
    """log p of the good and the bad sentence of each pair, by the sample model for the script of the good one: float64 [N, 2]."""
    import numpy as np

    found = np.empty((len(pairs), 2))
    languages = [samples.language_of(pair.good) for pair in pairs]
    for language in dict.fromkeys(languages):
        rows = [k for k, own in enumerate(languages) if own == language]
        found[rows] = score_pairs(samples.of(language), [pairs[k] for k in rows])
    return found
