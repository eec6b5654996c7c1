"""`score --scramble`, `--choices` and `--pairs`: the rank of a text among the orderings of its words, alternatives compared, and how
often the good sentence of a minimal pair is more probable."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from seqcli.commands import session
from seqcli.commands.models import ByScript, note_unknown
from seqcli.commands.score.scorer import Arguments
from seqcli.data.lines import block_of
from seqcli.errors import InputError
from seqcli.interfaces import OpenScorer
from seqcli.metrics.significance import mcnemar
from seqcli.report.frame import WHOLE, Column, bar, columns_of_rows, fields_of
from seqcli.report.output import JSON, TABLE, Output
from seqcli.results.language import Choice, PairAccuracy, ScrambleRank
from seqcli.scoring import choices as scored_choices
from seqcli.scoring import scramble as scored_orderings
from seqcli.scoring.pairs import Pair, accuracy_of, judge_pairs, read_pairs, score_pairs
from seqcli.text import UNK

if TYPE_CHECKING:
    import numpy as np


def scramble(arguments: Arguments, *, sample: int) -> None:
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records()).alone()
        several = scorer.models.several
        out.begin([*(["model"] if several else []), Column("line", (), WHOLE), *fields_of(ScrambleRank)])
        for block in scorer.blocks:
            models = scorer.of(block)
            for line, text in enumerate(block.records(), block.first):
                ranks = [
                    _in_unit(scored_orderings.scramble(m, text, sample=sample, seed=arguments.seed), arguments.unit)
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
                    rows = [replace(rank, text=text) for rank in ranks]
                    out.rows([*names, Column("line", [line] * len(rows), WHOLE), *columns_of_rows(rows, ScrambleRank)])


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
                    ranked = _choices(opened, template, line=line)
                    rows = [replace(choice, log_prob=choice.log_prob / arguments.unit) for choice in ranked]
                    columns = [Column("line", [line] * len(rows), WHOLE), *columns_of_rows(rows, Choice)]
                    if out.mode == TABLE:
                        columns.insert(3, Column("", [bar(row.share or 0) for row in rows]))
                    if several or out.mode == JSON:
                        columns.insert(0, Column("model", [opened.name] * len(rows)))
                    out.rows(columns)


def _choices(opened: OpenScorer, template: str, *, line: int) -> list[Choice]:
    try:
        return scored_choices.choices(opened, template)
    except InputError as error:
        raise InputError(error.what, where=f"record {line}", cure=error.cure) from None


def pairs(arguments: Arguments, path: str) -> None:
    from seqcli.tokenizers import words

    batches = read_pairs(path, format=arguments.source.format, **arguments.source.reading)
    first = next(batches, [])
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(session.Records([block_of([first[0].good])] if first else [])).alone()
        several, samples = scorer.models.several, scorer.models.samples
        out.begin([*(["model"] if several else []), *fields_of(PairAccuracy)])
        unknown = 0

        def counting(batches: Iterable[list[Pair]]) -> Iterator[list[Pair]]:
            nonlocal unknown
            for pairs in batches:
                unknown += sum(words.written(f"{pair.good}\n{pair.bad}\n".encode(), (UNK,)) for pair in pairs)
                yield pairs

        batches = counting(chain([first], batches))
        if samples:
            results = judge_pairs([samples], batches, score=_by_script)
            names = ["+".join(scorer.names)]
            scorer.models.note_samples()
        else:
            results, names = judge_pairs(scorer.models.chosen, batches), scorer.names
        note_unknown(unknown, scorer.models, reporter=arguments.reporter)
        rows = [
            (name, accuracy_of(tag, tally))
            for tag, tallies in results.tallies.items()
            for name, tally in zip(names, tallies)
        ]
        columns = columns_of_rows([row for _, row in rows], PairAccuracy)
        if several or out.mode == JSON:
            columns.insert(0, Column("model", [name for name, _ in rows]))
        out.rows(columns)
    for opened in scorer.models.all:
        if signature := arguments.signature_in(sys.stderr, scorer.signature(opened)):
            arguments.reporter.note(signature.strip())
    if len(names) == 2:
        only_first, only_second = results.only
        p = mcnemar(only_first, only_second)
        arguments.reporter.note(
            f"correct only by {names[0]}: {only_first}, only by {names[1]}: {only_second}; exact McNemar test p = {p:.4g}"
        )


def _by_script(samples: ByScript, pairs: list[Pair]) -> np.ndarray:
    """log p of the good and the bad sentence of each pair, by the sample model for the script of the good one:
    float64 [N, 2]."""
    import numpy as np

    scores = np.empty((len(pairs), 2))
    languages = [samples.language_of(pair.good) for pair in pairs]
    for language in dict.fromkeys(languages):
        rows = [k for k, own in enumerate(languages) if own == language]
        scores[rows] = score_pairs(samples.of(language), [pairs[k] for k in rows])
    return scores
