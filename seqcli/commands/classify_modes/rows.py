"""A label for every record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seqcli.commands.classify_modes.job import SHARE, Job
from seqcli.data.lines import Block
from seqcli.report.frame import Column, with_kept
from seqcli.report.output import JSON, TABLE, TSV

if TYPE_CHECKING:
    import numpy as np

    from seqcli.tasks.classification.load import OpenClassifier


def rows(job: Job, *, top_k: int | None) -> None:
    with job.opened(by_record=True, shared=True) as out:
        keep = job.source.keep or ()
        out.begin(["label", "probability", *keep, "text"])
        if top_k and out.mode == TSV:
            job.reporter.note("--top-k has no effect on TSV, which has one label for each text; use --json")

        def shown(block: Block) -> tuple[str, int, int]:
            opened = job.classifier_of(block)
            shares = opened.probabilities(block)
            best = shares.argmax(axis=1)
            share = shares[range(len(best)), best]
            columns = [Column("label", job.shown(opened.labels, best, share)), Column("probability", share, SHARE, "%.3f")]
            if top_k and top_k > 1 and out.mode == TABLE:
                columns += _others(job.names(opened.labels), shares, top_k)
            columns += [Column(name, [row[k] for row in block.kept]) for k, name in enumerate(keep)]
            columns.append(Column("text", block.records()))
            json = _json(job, block, opened, shares, columns, top_k) if out.mode == JSON else None
            return out.shown(columns, json=json), len(block), len(block.data)

        records = done = 0
        for text, count, size in job.answers(shown):
            out.write(text)
            records, done = records + count, done + size
            job.reporter.progress("bytes classified", done)
    job.reporter.clear()


def _others(labels: list[str], shares: np.ndarray, top_k: int) -> list[Column]:
    """The second, third ... likeliest labels."""
    order = (-shares).argsort(axis=1, kind="stable")[:, 1:top_k]
    return [
        Column(f"{rank}.", [f"{labels[label]} {row[label]:.3f}" for label, row in zip(order[:, place].tolist(), shares)])
        for place, rank in enumerate(range(2, order.shape[1] + 2))
    ]


def _json(
    job: Job, block: Block, opened: OpenClassifier, shares: np.ndarray, columns: list[Column], top_k: int | None
) -> Iterator[dict[str, Any]]:
    keep, names = job.source.keep or (), job.names(opened.labels)
    order = (-shares).argsort(axis=1, kind="stable")[:, :top_k]
    for i, (text, label) in enumerate(zip(block.records(), columns[0].values)):
        likeliest = [{"label": names[k], "probability": float(shares[i, k])} for k in order[i].tolist()]
        row = {"line": block.first + i, "text": text, "label": label, "probability": likeliest[0]["probability"], "labels": likeliest}
        yield with_kept(row, keep, block.kept_of(i))
