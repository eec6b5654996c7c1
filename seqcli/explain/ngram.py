"""The n-gram and the back-offs behind each probability of an n-gram model, a Markov model of order N - 1.

    log p(w | context) = log_prob(context w)                                     where `context w` is in the table
                       = log_backoff(context) + log p(w | shorter context)       else

A context that is not in the table has log_backoff 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqcli.decoding.policy import top
from seqcli.errors import UsageError
from seqcli.explain.reading import pieces_of, with_start
from seqcli.explain.transitions import Transitions, discount_of, transitions
from seqcli.interfaces import OpenModel
from seqcli.models.ngram import NgramModel
from seqcli.ngram.table import Table
from seqcli.results.inside import BackoffStep, Context, NgramPaths, TokenPath, Transition


def ngram_paths(opened: OpenModel, text: str, *, k: int = 10, record: dict[str, Any] | None = None) -> NgramPaths:
    """k: number of rows of the transition table; record: of the training, for the discounts. Raises UsageError for another model."""
    if not isinstance(opened.model, NgramModel):
        raise UsageError(f"{opened.name} ({opened.arch}) is not an n-gram model", cure="use one, or --surprisal")
    table, vocabulary = opened.model.table, opened.tokenizer.vocabulary()
    names, ids = with_start(pieces_of(opened, text))
    paths = []
    for place in range(1, len(ids)):
        steps = _steps(table, ids[max(0, place - table.order + 1) : place], ids[place], vocabulary)
        total = sum(step.log_backoff for step in steps[:-1]) + (steps[-1].log_prob or 0.0)
        paths.append(TokenPath(names[place], total, steps))
    discounts = (record or {}).get("discounts", [])
    context = ids[max(0, len(ids) - table.order) : -1]  # without `</s>`
    log_p = table.log_distributions(np.array([context], np.int64))[0]
    while context and not _tells(table, context):
        context = context[1:]
    of_context = discounts[len(context)] if len(context) < len(discounts) else None
    found = transitions(table, context, _row(table, context) if context else None, of_context)
    following = [
        _transition(
            id, float(log_p[id]), _steps(table, context, id, vocabulary)[-1].order, found, vocabulary, of_context
        )
        for id in top(log_p[None], k)[0].tolist()
    ]
    about = Context([vocabulary[id] for id in context], found.total, found.log_backoff)
    return NgramPaths(table.order, paths, following, discounts, about)


def _transition(
    id: int, log_p: float, order: int, found: Transitions, vocabulary: list[str], discounts: list[float] | None
) -> Transition:
    probability = float(np.exp(log_p))
    (place,) = np.flatnonzero(found.ids == id).tolist() or (None,)
    if place is None:  # from the back-off only
        return Transition(vocabulary[id], probability, order, None if found.counts is None else 0, lower=probability)
    count = None if found.counts is None else int(found.counts[place])
    discount = None if count is None or discounts is None else discount_of(count, discounts)
    own, lower = float(found.own[place]), float(found.lower[place])
    return Transition(vocabulary[id], probability, order, count, discount, own, lower)


def _steps(table: Table, context: list[int], token: int, vocabulary: list[str]) -> list[BackoffStep]:
    """The steps from the longest context to the first n-gram that is in the table; every unigram is."""
    steps: list[BackoffStep] = []
    for begin in range(len(context) + 1):
        shorter = context[begin:]
        order, names = len(shorter) + 1, [vocabulary[id] for id in shorter]
        row = _row(table, [*shorter, token])
        if row is not None:
            return [*steps, BackoffStep(order, names, True, float(table.log_prob[order - 1][row]), 0.0)]
        before = _row(table, shorter)
        weight = 0.0 if before is None else float(table.log_backoff[len(shorter) - 1][before])
        steps.append(BackoffStep(order, names, False, None, weight))
    raise AssertionError("every token is a unigram")


def _tells(table: Table, context: list[int]) -> bool:
    """Whether the table has n-grams or a back-off weight for a context."""
    row = _row(table, context)
    if row is None:
        return False
    begin, end = (int(table.children[len(context) - 1][place]) for place in (row, row + 1))
    return begin < end or float(table.log_backoff[len(context) - 1][row]) != 0.0


def _row(table: Table, ids: list[int]) -> int | None:
    """The row of an n-gram, if it is in the table."""
    row = ids[0]
    for order, id in enumerate(ids[1:], 2):
        (row,) = table.find(order, np.array([row]), np.array([id], np.uint32)).tolist()
        if row < 0:
            return None
    return row
