"""Which n-gram gave each number, and by which back-off: an n-gram model seen as a Markov model of order N - 1.

    log p(w | context) = log_prob(context w)                                     where `context w` is in the table
                       = log_backoff(context) + log p(w | shorter context)       else

A context that is not in the table has the weight 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqcli.decoding.policy import top
from seqcli.errors import UsageError
from seqcli.explain.reading import pieces_of, with_start
from seqcli.interfaces import OpenModel
from seqcli.models.ngram import NgramModel
from seqcli.ngram.table import Table
from seqcli.results.inside import BackoffStep, NgramPaths, TokenPath, Transition


def ngram_paths(opened: OpenModel, text: str, *, k: int = 10, record: dict[str, Any] | None = None) -> NgramPaths:
    """k: rows of the transition table; record: what the training wrote down. Raises UsageError for another model."""
    if not isinstance(opened.model, NgramModel):
        raise UsageError(f"{opened.name} ({opened.arch}) is no n-gram model", cure="give one, or use --surprisal")
    table, vocabulary = opened.model.table, opened.tokenizer.vocabulary()
    names, ids = with_start(pieces_of(opened, text))
    paths = []
    for place in range(1, len(ids)):
        steps = _steps(table, ids[max(0, place - table.order + 1) : place], ids[place], vocabulary)
        total = sum(step.log_backoff for step in steps[:-1]) + (steps[-1].log_prob or 0.0)
        paths.append(TokenPath(names[place], total, steps))
    context = ids[max(0, len(ids) - table.order) : -1]  # without `</s>`
    log_p = table.log_distributions(np.array([context], np.int64))[0]
    following = [
        Transition(vocabulary[id], float(np.exp(log_p[id])), _steps(table, context, id, vocabulary)[-1].order)
        for id in top(log_p[None], k)[0].tolist()
    ]
    return NgramPaths(table.order, paths, following, (record or {}).get("discounts", []))


def _steps(table: Table, context: list[int], token: int, vocabulary: list[str]) -> list[BackoffStep]:
    """From the longest context to the n-gram that is in the table; a unigram always is."""
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


def _row(table: Table, ids: list[int]) -> int | None:
    """The row of an n-gram, if it is in the table."""
    row = ids[0]
    for order, id in enumerate(ids[1:], 2):
        (row,) = table.find(order, np.array([row]), np.array([id], np.uint32)).tolist()
        if row < 0:
            return None
    return row
