"""The transition table of a context: what may follow it, with which count, discount and back-off (Chen and Goodman 1998, equation 24).

    p(w | c) = (a(c w) - D(a)) / A + gamma(c) p(w | shorter c),    A = a(c w1) + a(c w2) + ...

A model folder keeps p and gamma, and in its record the discounts, but no counts. They follow from these: the tokens whose count is the
smallest give A, and with it every count is a whole number. Counts are given only if all of them are, and if they sum up to A: of models
that were pruned, rounded to 8 bits or made without this smoothing there are none. Counts below the highest order are adjusted: in how
many different contexts to the left the n-gram was seen.

Of "a b a b c" with discounts of 0.5, 1 and 1.5, after `a`: a(a b) = 2 = A, gamma = 1 / 2, p(b | a) = (2 - 1) / 2 + p(b) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqcli.ngram.table import Table
from seqcli.text import BOS_ID, UNK_ID

_WHOLE = 0.02  # a count is not farther from a whole number
_LARGEST = 50  # of the smallest counts that are tried


class Transitions(NamedTuple):
    """ids [n]: the tokens that the table has after a context; own, lower: float64 [n], the two terms of each probability; counts: int64 [n]
    and total, None where the model does not tell; log_backoff: of the context."""

    ids: np.ndarray
    own: np.ndarray
    lower: np.ndarray
    counts: np.ndarray | None
    total: int | None
    log_backoff: float


def transitions(
    table: Table, context: Sequence[int], row: int | None, discounts: Sequence[float] | None
) -> Transitions:
    """context: ids; row: of the context in its order, None of the empty one; discounts: of counts 1, 2 and more of the order after."""
    order = len(context) + 1
    if row is None:
        ids = np.array([id for id in range(table.vocab_size) if id != BOS_ID])
        log_p, log_backoff = np.asarray(table.log_prob[0], np.float64)[ids], 0.0
        lower = np.full(
            len(ids), np.exp(float(table.log_prob[0][UNK_ID]))
        )  # an unseen token has the uniform share alone
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
    """The counts of which (count - discount) / total is `own` and the discounts / total sum up to gamma, int64 [n]; None if there are none.

    The lowered counts of 1, 2, 3 ... are 1 - D1, 2 - D2, 3 - D3 ...; one of them belongs to the smallest of `own`.
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
    """The counts whose lowered values are nearest, at least 1 where one was seen."""
    large = np.maximum(np.rint(values + discounts[2]), 3).astype(np.int64)
    choices = np.stack([np.full(len(values), 1), np.full(len(values), 2), large])
    lowered = choices - np.stack(
        [np.full(len(values), discounts[0]), np.full(len(values), discounts[1]), np.full(len(values), discounts[2])]
    )
    best = np.abs(lowered - values).argmin(axis=0)
    return np.where(seen, choices[best, np.arange(len(values))], 0)


def discount_of(count: int, discounts: Sequence[float]) -> float:
    return discounts[min(count, 3) - 1] if count else 0.0
