"""Minimal pairs of a file, scored by models side by side: does a model prefer the good sentence to the bad one?

Warstadt et al. (2020), "BLiMP: The benchmark of linguistic minimal pairs". A tie counts as wrong.

A file is TSV `good bad [tag]`, perhaps with a header of these names, or JSON Lines with `sentence_good`, `sentence_bad`,
`UID` (BLiMP as published). Other tables (CSV, Parquet, a JSON array, a data set of the hub) have columns of either names.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from seqcli.data import hub, records
from seqcli.data.columns import ColumnSpec, Rows
from seqcli.data.lines import Block, read_blocks
from seqcli.data.paths import is_hub
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import OpenScorer
from seqcli.metrics.significance import wilson
from seqcli.results.language import PairAccuracy
from seqcli.scoring.sentences import score_texts, tied

OVERALL = "overall"
_FIELDS = {"sentence_good": ..., "sentence_bad": ..., "UID": ""}  # and what stands for one that is not there
_HEADERS = {("good", "bad"), ("sentence_good", "sentence_bad")}
_SIDES = [ColumnSpec(name, (f"sentence_{name}", name)) for name in ("good", "bad")]
_TAG = ColumnSpec("tag", ("UID", "tag"), may_lack=True)


class Pair(NamedTuple):
    good: str
    bad: str
    tag: str = ""


def read_pairs(path: str, *, format: str | None = None, **reading) -> Iterator[list[Pair]]:
    """Pairs, a block at a time. format: of `records.FORMATS`, None to go by the name. Raises InputError with the line of a
    record that is not a pair."""
    kind = records.kind_of(path, format)
    if is_hub(path) or kind in ("csv", "json", "parquet"):
        yield from _of_table(path, format, **reading)
        return
    is_json, begun = kind == "jsonl", False
    for block in read_blocks(path, **reading):
        pairs = list(_pairs(block, path, is_json))
        if pairs and not begun:
            begun = True
            if (pairs[0].good.lower(), pairs[0].bad.lower()) in _HEADERS:
                pairs = pairs[1:]
        yield pairs


def _of_table(path: str, format: str | None, **reading) -> Iterator[list[Pair]]:
    """Pairs of a table with a header, which may have tags."""

    def rows(columns: list[ColumnSpec]) -> Iterator[Rows]:
        return (
            hub.read_rows(path, columns) if is_hub(path) else records.read_rows(path, columns, format=format, **reading)
        )

    for columns in ([*_SIDES, _TAG], _SIDES):  # perhaps there are no tags
        parts = rows(columns)
        try:
            first = next(parts, None)
        except UsageError as error:
            if columns is _SIDES:
                cure = "call them good, bad and, if there are tags, tag, or as BLiMP does sentence_good, sentence_bad and UID"
                raise UsageError("no columns of good and bad sentences", where=error.where, cure=cure) from None
            if not (is_hub(path) or os.path.isfile(path)):
                raise UsageError(
                    "no columns good, bad and tag",
                    where=error.where,
                    cure="save a table without tags to a file first, since a pipe can be read only once",
                ) from None
            continue
        break
    for _, cells, _ in chain([] if first is None else [first], parts):
        yield [pair for pair in (Pair(*row) for row in cells) if pair.good.strip() or pair.bad.strip()]


def _pairs(block: Block, path: str, is_json: bool) -> Iterator[Pair]:
    for number, record in enumerate(block.records(), block.first):
        where = f"{path}, line {number}"
        if not record.strip():
            continue
        if is_json or record.startswith("{"):
            try:
                value = json.loads(record)
                fields = {name: value.get(name, default) for name, default in _FIELDS.items()}
                if not all(field is None or isinstance(field, str) for field in fields.values()):
                    raise TypeError
                yield Pair(*(field or "" for field in fields.values()))
            except (ValueError, TypeError, AttributeError, RecursionError):
                cure = "each line needs sentence_good and sentence_bad"
                raise InputError("not a minimal pair", where=where, cure=cure) from None
        else:
            parts = record.split("\t")
            if len(parts) not in (2, 3):
                raise InputError(
                    f"expected good, bad and optionally a tag separated by tabs, got {len(parts)} fields", where=where
                )
            yield Pair(*parts)


@dataclass(slots=True)
class Tally:
    """Pairs of one tag under one model."""

    pairs: int = 0
    correct: int = 0
    ties: int = 0

    def add(self, good: float, bad: float) -> bool:
        """Counts a pair by its log-probabilities; returns whether it is correct."""
        self.pairs += 1
        tie = bool(tied(good, bad))
        self.ties += tie
        self.correct += (correct := not tie and good > bad)
        return correct

    @property
    def accuracy(self) -> float:
        return self.correct / self.pairs if self.pairs else math.nan

    def interval(self) -> tuple[float, float]:
        return wilson(self.correct, self.pairs)


@dataclass
class PairResults:
    """Results per tag (in order of appearance, `overall` last) and model; for two models also the pairs that only one
    gets right."""

    tallies: dict[str, list[Tally]] = field(default_factory=dict)
    only: list[int] = field(default_factory=lambda: [0, 0])


def score_pairs(opened: OpenScorer, pairs: list[Pair]) -> np.ndarray:
    """log p of the good and the bad sentence of each pair, natural: float64 [N, 2]."""
    return score_texts(opened, [sentence for pair in pairs for sentence in (pair.good, pair.bad)]).reshape(-1, 2)


def judge_pairs(models: Sequence[Any], batches: Iterable[list[Pair]], *, score: Callable = score_pairs) -> PairResults:
    """Scores pairs from `read_pairs`. score: computes the log-probabilities of pairs. Raises InputError if there are
    no pairs."""
    results = PairResults()
    overall = [Tally() for _ in models]
    for pairs in batches:
        if not pairs:
            continue
        log_probs = [score(opened, pairs) for opened in models]
        for index, pair in enumerate(pairs):
            tallies = results.tallies.setdefault(pair.tag, [Tally() for _ in models]) if pair.tag else None
            right = []
            for m, log_prob in enumerate(log_probs):
                good, bad = log_prob[index].tolist()
                right.append(overall[m].add(good, bad))
                if tallies:
                    tallies[m].add(good, bad)
            if len(models) == 2 and right[0] != right[1]:
                results.only[right[1]] += 1
    if not overall[0].pairs:
        raise InputError("no pairs", cure="give lines with a good and a bad sentence separated by a tab")
    results.tallies[OVERALL] = overall
    return results


def accuracy_of(tag: str, tally: Tally) -> PairAccuracy:
    return PairAccuracy(tag, tally.pairs, tally.correct, tally.ties, tally.accuracy, *tally.interval())
