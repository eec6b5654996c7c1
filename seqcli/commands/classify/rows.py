"""`classify`: a label for every record, and with --explain how much each word adds to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from seqcli.commands import session
from seqcli.commands.classify.arguments import Arguments
from seqcli.commands.models import note_threads
from seqcli.data.lines import Block
from seqcli.report.frame import WHOLE, Column, bar, columns_of, columns_of_rows, fields_of, kept_columns, with_kept
from seqcli.report.output import JSON, TABLE, FormattedRows, Output
from seqcli.results import formats
from seqcli.results.classification import Classification, Explanation, WordInfluence
from seqcli.scoring.influence import grouping
from seqcli.tasks.classification.classify import Classified, decided, explain


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
            classified = Classified(
                arguments.names(opened.labels), opened.probabilities(block), threshold=arguments.threshold
            )
            if out.mode == JSON:
                return out.formatted([], json=_objects(block, classified, keep, top_k=top_k)), len(block.data)
            values: dict[str, Any] = {
                "label": classified.label,
                "probability": classified.probability,
                "text": block.records(),
            }
            *columns, text = columns_of(Classification, values)
            if top_k and out.mode == TABLE:
                columns += _others(classified, top_k)
            kept = kept_columns(keep, block.kept, beside=formats(Classification))
            return out.formatted([*columns, *kept, text]), len(block.data)

        done = 0
        for shown, size in session.map_blocks(arguments, classify, classifiers.route(texts), classifiers, out=out):
            out.write(shown)
            done += size
            arguments.reporter.progress("bytes classified", done)
    arguments.reporter.clear()


def _others(classified: Classified, top_k: int) -> list[Column]:
    """The second, third ... most likely labels."""
    order = classified.likeliest(top_k)[:, 1:]
    return [
        Column(
            f"{rank}.",
            [f"{classified.labels[label]} {row[label]:.3f}" for label, row in zip(labels, classified.probabilities)],
        )
        for rank, labels in enumerate(order.T.tolist(), 2)
    ]


def _objects(
    block: Block, classified: Classified, keep: Sequence[str], *, top_k: int | None
) -> Iterator[dict[str, Any]]:
    for k, row in enumerate(classified.objects(block.records(), top_k=top_k)):
        yield with_kept({"line": block.first + k, **row}, keep, block.kept_of(k))


def explanations(arguments: Arguments) -> None:
    """Leaves out one word at a time and shows how much the log-odds of the label fall."""
    with arguments.results.opened() as out:
        records = arguments.open_records(out)
        classifiers = arguments.open_classifiers(records.beginning)
        note_threads(arguments, classifiers)
        out.begin([Column("line", (), WHOLE), Column("index", (), WHOLE), "label", *fields_of(WordInfluence)])
        for block in classifiers.route(records):
            (opened,) = classifiers.of(block)
            for line, (text, read) in enumerate(zip(block.records(), block.data.decode().split("\n")), block.first):
                explanation = explain(opened, read)
                if explanation.grouped > 1:
                    arguments.reporter.note(f"line {line}: {grouping(explanation.grouped)}")
                (label,) = arguments.names([explanation.label])
                label = decided(label, explanation.probability, threshold=arguments.threshold)
                _show(replace(explanation, text=text, label=label), line, out)


def _show(explanation: Explanation, line: int, out: Output) -> None:
    if out.mode == JSON:
        out.rows([], json=[{"line": line, **explanation.to_dict()}])
        return
    words = columns_of_rows(explanation.words, WordInfluence)
    if out.mode == TABLE:
        changes = [word.change for word in explanation.words]
        most = max([1e-9, *map(abs, changes)])
        speaking_for = Column(
            f"for {explanation.label}", [bar(change / most) if change > 0 else "" for change in changes]
        )
        speaking_against = Column("against", [bar(-change / most) if change < 0 else "" for change in changes])
        out.rows(
            [*words, speaking_for, speaking_against],
            title=f"{explanation.label} {explanation.probability:.3f}: {explanation.text}",
        )
        return
    count = len(explanation.words)
    position = [
        Column("line", [line] * count, WHOLE),
        Column("index", range(count), WHOLE),
        Column("label", [explanation.label] * count),
    ]
    out.rows([*position, *words])
