"""`score --pairs`: how often the good sentence of a minimal pair is more probable."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from seqcli.commands import session
from seqcli.commands.by_script import ByScript
from seqcli.commands.score.arguments import Arguments
from seqcli.data.lines import block_of
from seqcli.metrics import minimal_pairs
from seqcli.report.frame import Column, columns_of_rows, fields_of
from seqcli.report.output import JSON
from seqcli.results.language import PairAccuracy
from seqcli.scoring.pairs import Pair, accuracy_of, judge_pairs, read_pairs, score_pairs
from seqcli.text import UNK

if TYPE_CHECKING:
    import numpy as np


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
        session.note_unknown(unknown, scorer.models, reporter=arguments.reporter)
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
        p = minimal_pairs.mcnemar(only_first, only_second)
        arguments.reporter.note(
            f"correct only by {names[0]}: {only_first}, only by {names[1]}: {only_second}; exact McNemar test p = {p:.4g}"
        )


def _by_script(samples: ByScript, pairs: list[Pair]) -> np.ndarray:
    """log p of the good and the bad sentence of each pair, by the sample model for the script of the good one:
    float64 [N, 2]."""
    import numpy as np

    found = np.empty((len(pairs), 2))
    languages = [samples.language_of(pair.good) for pair in pairs]
    for language in dict.fromkeys(languages):
        rows = [k for k, own in enumerate(languages) if own == language]
        found[rows] = score_pairs(samples.of(language), [pairs[k] for k in rows])
    return found
