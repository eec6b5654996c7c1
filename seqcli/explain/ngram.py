"""The n-gram and the back-offs behind each probability of an n-gram model, a Markov model of order N - 1.

    log p(w | context) = log_prob(context w)                                     where `context w` is in the table
                       = log_backoff(context) + log p(w | shorter context)       else

A context that is not in the table has log_backoff 0.

The transition table of a context: the tokens after it, with count, discount and back-off (Chen and Goodman 1998, equation 24).

    p(w | c) = (a(c w) - D(a)) / A + gamma(c) p(w | shorter c),    A = a(c w1) + a(c w2) + ...

A model folder contains p and gamma, and the discounts in its record, but no counts. They are recovered: the tokens with the smallest
count determine A, and with the right A every count is a whole number. Counts are returned only if all of them are whole and sum to A; for
models that were pruned, rounded to 8 bits or smoothed in another way there are none. Counts below the highest order are adjusted counts:
the number of different words to the left of the n-gram.

Of "a b a b c" with discounts of 0.5, 1 and 1.5, after `a`: a(a b) = 2 = A, gamma = 1 / 2, p(b | a) = (2 - 1) / 2 + p(b) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqcli.decoding.logits import top
from seqcli.errors import UsageError
from seqcli.explain.model_inputs import pieces_of, with_start
from seqcli.interfaces import OpenModel
from seqcli.models.ngram import NgramModel
from seqcli.ngram.table import Table
from seqcli.results.views import BackoffStep, Context, NgramPaths, TokenPath, Transition
from seqcli.text import BOS_ID, UNK_ID

_WHOLE = 0.02  # maximum distance of a count from a whole number
_LARGEST = 50  # largest value that is tried for the smallest count


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


class Transitions(NamedTuple):
    """ids [n]: the tokens after a context in the table; own, lower: float64 [n], the two terms of each probability; counts: int64 [n],
    and total, their sum, or None if they cannot be recovered; log_backoff: of the context."""

    ids: np.ndarray
    own: np.ndarray
    lower: np.ndarray
    counts: np.ndarray | None
    total: int | None
    log_backoff: float


def transitions(
    table: Table, context: Sequence[int], row: int | None, discounts: Sequence[float] | None
) -> Transitions:
    """context: ids; row: of the context in its order, None for the empty context; discounts: of the counts 1, 2 and 3 or more of the next
    order."""
    order = len(context) + 1
    if row is None:
        ids = np.array([id for id in range(table.vocab_size) if id != BOS_ID])
        log_p, log_backoff = np.asarray(table.log_prob[0], np.float64)[ids], 0.0
        lower = np.full(
            len(ids), np.exp(float(table.log_prob[0][UNK_ID]))
        )  # an unseen token has only the uniform share
        gamma = float(lower.sum())
    else:
        begin, end = (int(table.children[order - 2][place]) for place in (row, row + 1))
        ids = np.asarray(table.words[order - 1][begin:end]).astype(np.int64)
        log_p = np.asarray(table.log_prob[order - 1][begin:end], np.float64)
        log_backoff = float(table.log_backoff[order - 2][row])
        gamma = float(np.exp(log_backoff))
        lower = gamma * np.exp(table.log_distributions(np.array([context[1:]], np.int64))[0][ids])
    own = np.maximum(np.exp(log_p) - lower, 0.0)
    counts = counted(own, gamma, discounts) if discounts else None
    return Transitions(ids, own, lower, counts, None if counts is None else int(counts.sum()), log_backoff)


def counted(own: np.ndarray, gamma: float, discounts: Sequence[float]) -> np.ndarray | None:
    """The counts for which (count - discount) / total is `own` and the sum of discount / total is gamma, int64 [n]; None if there are none.

    The discounted counts are 1 - D1, 2 - D2, 3 - D3, 4 - D3 ...; one of them belongs to the smallest of `own`.
    """
    lowered = np.array([0.0, *(count - discount_of(count, discounts) for count in range(1, _LARGEST + 1))])
    seen = own > 1e-12 + 1e-6 * own.max(initial=0.0)
    if not seen.any() or gamma <= 0:
        return None
    for smallest in range(1, _LARGEST + 1):
        total = lowered[smallest] / own[seen].min()
        for _ in range(3):  # the back-off weight has more digits than the smallest probability
            counts = _nearest(own * total, seen, discounts)
            total = sum(discount_of(count, discounts) for count in counts.tolist()) / gamma
        measured, total = total, round(total)
        exact = np.array([count - discount_of(count, discounts) for count in counts.tolist()])
        if (
            counts.sum() == total
            and abs(measured - total) < _WHOLE + 1e-5 * total
            and np.abs(exact - own * total).max() < _WHOLE
        ):
            return counts
    return None


def _nearest(values: np.ndarray, seen: np.ndarray, discounts: Sequence[float]) -> np.ndarray:
    """The counts whose discounted values are nearest, at least 1 for a token that was seen."""
    large = np.maximum(np.rint(values + discounts[2]), 3).astype(np.int64)
    choices = np.stack([np.full(len(values), 1), np.full(len(values), 2), large])
    lowered = choices - np.stack(
        [np.full(len(values), discounts[0]), np.full(len(values), discounts[1]), np.full(len(values), discounts[2])]
    )
    best = np.abs(lowered - values).argmin(axis=0)
    return np.where(seen, choices[best, np.arange(len(values))], 0)


def discount_of(count: int, discounts: Sequence[float]) -> float:
    return discounts[min(count, 3) - 1] if count else 0.0
