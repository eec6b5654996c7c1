"""`score --scramble` and `--choices`: rank a text among the orderings of its words, or compare alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seqcli.commands.score.arguments import Arguments
from seqcli.errors import InputError
from seqcli.interfaces import OpenScorer
from seqcli.report.frame import WHOLE, Column, bar, columns_of_rows, fields_of
from seqcli.report.output import JSON, TABLE, Output
from seqcli.results.language import Choice, ScrambleRank
from seqcli.scoring import comparisons


def scramble(arguments: Arguments, *, sample: int) -> None:
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records()).alone()
        several = scorer.models.several
        out.begin([*(["model"] if several else []), Column("line", (), WHOLE), *fields_of(ScrambleRank)])
        for block in scorer.blocks:
            models = scorer.of(block)
            for line, text in enumerate(block.records(), block.first):
                ranks = [
                    _in_unit(comparisons.scramble(m, text, sample=sample, seed=arguments.seed), arguments.unit)
                    for m in models
                ]
                if out.mode == JSON:
                    out.rows(
                        [], json=[{"line": line, "model": m.name, **_object(rank)} for m, rank in zip(models, ranks)]
                    )
                elif out.mode == TABLE:
                    _show_best(out, models, ranks)
                else:
                    names = [Column("model", [m.name for m in models])] if several else []
                    given = [replace(rank, text=text) for rank in ranks]
                    out.rows(
                        [*names, Column("line", [line] * len(ranks), WHOLE), *columns_of_rows(given, ScrambleRank)]
                    )


def _in_unit(rank: ScrambleRank, unit: float) -> ScrambleRank:
    best = [replace(ordering, log_prob=ordering.log_prob / unit) for ordering in rank.best]
    return replace(rank, log_prob=rank.log_prob / unit, best=best)


def _object(rank: ScrambleRank) -> dict[str, Any]:
    order = ("rank", "orderings", "sampled", "mass", "ties", "log_prob", "text", "best")
    values = rank.to_dict()
    return {name: values[name] for name in order}


def _show_best(out: Output, models: Sequence[OpenScorer], ranks: list[ScrambleRank]) -> None:
    """For a terminal: the rank of the text, and the most probable orderings of each model."""
    for opened, rank in zip(models, ranks):
        of = f"{rank.orderings:,} {'sampled ' if rank.sampled else ''}orderings of {rank.text!r}"
        ties = f", {rank.ties} tied" if rank.ties else ""
        mass = "all have probability zero" if rank.mass is None else f"{rank.mass:.1%} of the total probability"
        out.rows(
            [
                Column("log_prob", [ordering.log_prob for ordering in rank.best], "%.2f"),
                Column("share", [bar(ordering.share or 0) for ordering in rank.best]),
                Column("", ["→" if ordering.text == rank.text else "" for ordering in rank.best]),
                Column("most probable", [ordering.text for ordering in rank.best]),
            ],
            title=f"{opened.name}: rank {rank.rank}{ties} of {of}; {mass}",
        )


def choices(arguments: Arguments) -> None:
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records()).alone()
        several = scorer.models.several
        out.begin([*(["model"] if several else []), Column("line", (), WHOLE), *fields_of(Choice)])
        for block in scorer.blocks:
            for line, template in enumerate(block.records(), block.first):
                for opened in scorer.of(block):
                    found = _choices(opened, template, line=line)
                    rows = [replace(choice, log_prob=choice.log_prob / arguments.unit) for choice in found]
                    columns = [Column("line", [line] * len(rows), WHOLE), *columns_of_rows(rows, Choice)]
                    if out.mode == TABLE:
                        columns.insert(3, Column("", [bar(row.share or 0) for row in rows]))
                    if several or out.mode == JSON:
                        columns.insert(0, Column("model", [opened.name] * len(rows)))
                    out.rows(columns)


def _choices(opened: OpenScorer, template: str, *, line: int) -> list[Choice]:
    try:
        return comparisons.choices(opened, template)
    except InputError as error:
        raise InputError(error.what, where=f"record {line}", cure=error.cure) from None
