"""`classify`: a label for every record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seqcli.commands import session
from seqcli.commands.classify.arguments import Arguments
from seqcli.data.lines import Block
from seqcli.report.frame import Column, columns_of, fields_of, kept_columns, with_kept
from seqcli.report.output import JSON, TABLE, FormattedRows
from seqcli.results.classification import Classification
from seqcli.results.result import formats
from seqcli.tasks.classification.classify import Classified


def rows(arguments: Arguments, *, top_k: int | None) -> None:
    keep = arguments.source.keep or ()
    with arguments.results.opened() as out:
        texts = arguments.open_records(out)
        classifiers = arguments.open_classifiers(texts.beginning)
        *figures, text = fields_of(Classification)
        out.begin([*figures, *kept_columns(keep, (), beside=formats(Classification)), text])
        if top_k and out.tabular:
            arguments.reporter.note(
                f"--top-k has no effect on {out.name}, which has one label for each text; use --json"
            )

        def classify(block: Block) -> tuple[FormattedRows, int]:
            (opened,) = classifiers.of(block)
            found = Classified(
                arguments.names(opened.labels), opened.probabilities(block), threshold=arguments.threshold
            )
            if out.mode == JSON:
                return out.formatted([], json=_objects(block, found, keep, top_k=top_k)), len(block.data)
            values: dict[str, Any] = {
                "label": found.label,
                "probability": found.probability,
                "text": block.records(),
            }
            *columns, text = columns_of(Classification, values)
            if top_k and out.mode == TABLE:
                columns += _others(found, top_k)
            kept = kept_columns(keep, block.kept, beside=formats(Classification))
            return out.formatted([*columns, *kept, text]), len(block.data)

        done = 0
        for shown, size in session.map_blocks(arguments, classify, classifiers.route(texts), classifiers, out=out):
            out.write(shown)
            done += size
            arguments.reporter.progress("bytes classified", done)
    arguments.reporter.clear()


def _others(found: Classified, top_k: int) -> list[Column]:
    """The second, third ... most likely labels."""
    order = found.likeliest(top_k)[:, 1:]
    return [
        Column(
            f"{rank}.", [f"{found.labels[label]} {row[label]:.3f}" for label, row in zip(labels, found.probabilities)]
        )
        for rank, labels in enumerate(order.T.tolist(), 2)
    ]


def _objects(block: Block, found: Classified, keep: Sequence[str], *, top_k: int | None) -> Iterator[dict[str, Any]]:
    for k, row in enumerate(found.objects(block.records(), top_k=top_k)):
        yield with_kept({"line": block.first + k, **row}, keep, block.kept_of(k))
