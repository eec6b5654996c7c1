"""`classify --explain`: how much each word adds to the label."""

from __future__ import annotations

from dataclasses import replace

from seqcli.commands.classify.arguments import Arguments
from seqcli.commands.models import note_threads
from seqcli.report.frame import WHOLE, Column, bar, columns_of_rows, fields_of
from seqcli.report.output import JSON, TABLE, Output
from seqcli.results.classification import Explanation, WordInfluence
from seqcli.scoring.influence import grouping


def explain(arguments: Arguments) -> None:
    """Leaves out one word at a time and shows how much the log-odds of the label fall."""
    from seqcli.tasks.classification import classify

    with arguments.results.opened() as out:
        records = arguments.open_records(out)
        classifiers = arguments.open_classifiers(records.beginning)
        note_threads(arguments, classifiers)
        out.begin([Column("line", (), WHOLE), Column("index", (), WHOLE), "label", *fields_of(WordInfluence)])
        for block in classifiers.route(records):
            (opened,) = classifiers.of(block)
            for line, (text, read) in enumerate(zip(block.records(), block.data.decode().split("\n")), block.first):
                found = classify.explain(opened, read)
                if found.grouped > 1:
                    arguments.reporter.note(f"line {line}: {grouping(found.grouped)}")
                (label,) = arguments.names([found.label])
                label = classify.decided(label, found.probability, threshold=arguments.threshold)
                _show(replace(found, text=text, label=label), line, out)


def _show(found: Explanation, line: int, out: Output) -> None:
    if out.mode == JSON:
        out.rows([], json=[{"line": line, **found.to_dict()}])
        return
    words = columns_of_rows(found.words, WordInfluence)
    if out.mode == TABLE:
        changes = [word.change for word in found.words]
        most = max([1e-9, *map(abs, changes)])
        speaking_for = Column(f"for {found.label}", [bar(change / most) if change > 0 else "" for change in changes])
        against = Column("against", [bar(-change / most) if change < 0 else "" for change in changes])
        out.rows([*words, speaking_for, against], title=f"{found.label} {found.probability:.3f}: {found.text}")
        return
    count = len(found.words)
    places = [
        Column("line", [line] * count, WHOLE),
        Column("index", range(count), WHOLE),
        Column("label", [found.label] * count),
    ]
    out.rows([*places, *words])
