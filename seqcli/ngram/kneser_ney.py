"""Interpolated modified Kneser-Ney smoothing, with KenLM's choices where the papers leave one.

Chen and Goodman (1998), "An empirical study of smoothing techniques for language modeling", equations 23-26;
Heafield et al. (2013), "Scalable modified Kneser-Ney language model estimation". Below the highest order a count
is "adjusted": in how many different contexts to the left an n-gram was seen; n-grams that begin with `<s>` have no
left and keep their count. Unigrams are interpolated with the uniform distribution over the vocabulary without
`<s>`, which is all that an unseen word gets.

Where counts of counts do not allow the discounts of equation 26 (tiny or artificial text), that order takes the
fallback 0.5, 1, 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqcli.interfaces import SILENT, Reporter
from seqcli.ngram.arena import Arena
from seqcli.ngram.level import Level
from seqcli.ngram.table import Table
from seqcli.text import BOS_ID


class Discounts(NamedTuple):
    """The discounts of adjusted counts of 1, 2 and 3 or more, and whether they follow from the counts of counts."""

    one: float
    two: float
    three: float
    fallback: bool = False


_ROWS = 1 << 19
_NOTHING = np.zeros(0, np.uint32)
FALLBACK = Discounts(0.5, 1.0, 1.5, fallback=True)


@dataclass(slots=True)
class Estimate:
    """A smoothed model, and statistics of its estimation."""

    table: Table
    discounts: list[Discounts]  # per order
    seen: list[int]  # n-grams counted per order, before pruning


def discounts_of(adjusted: np.ndarray) -> Discounts:
    """Equation 26: Y = n1 / (n1 + 2 n2); D_j = j - (j + 1) Y n_(j+1) / n_j, n_j the n-grams of adjusted count j."""
    n = np.zeros(6, np.int64)
    for begin in range(0, len(adjusted), _ROWS):
        n += np.bincount(np.minimum(adjusted[begin : begin + _ROWS], 5), minlength=6)
    if not (n[1] and n[2] and n[3]):
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    one, two, three = (float(j - (j + 1) * y * n[j + 1] / n[j]) for j in (1, 2, 3))
    return Discounts(one, two, three) if 0 <= one <= 1 and 0 <= two <= 2 and 0 <= three <= 3 else FALLBACK


def smooth(levels: list[Level], *, arena: Arena, prune: tuple[int, ...] = (), reporter: Reporter = SILENT) -> Estimate:
    """Probabilities and back-offs of counted n-grams, which are consumed.

    prune: for each order, n-grams with this count or less are dropped from the model (the last value applies to higher
    orders). Unigrams cannot be pruned, and thresholds must not decrease.
    """
    order = len(levels)
    thresholds = [*prune, *[prune[-1] if prune else 0] * order][:order]
    assert thresholds[0] == 0 and thresholds == sorted(thresholds)
    seen = [int((levels[0].count > 0).sum()), *(len(level) for level in levels[1:])]
    adjusted = _adjusted_counts(levels, arena)
    discounts = [discounts_of(a) for a in adjusted]

    table, log_prob = Table.empty(order), []
    probability = arena.empty(len(adjusted[0]), np.float32)
    probability[:] = _unigrams(adjusted[0], discounts[0])
    kept_below = None  # which rows of the order below are kept; None for all
    for n in range(2, order + 1):
        reporter.progress(f"smoothing {n}-grams", n - 2, order - 1)
        level, a = levels[n - 1], adjusted[n - 1]
        kept = np.asarray(level.count) > thresholds[n - 1] if thresholds[n - 1] else None
        higher, backoff = _interpolate(level, a, discounts[n - 1], kept, probability, arena)
        table.words.append(_chosen(levels[n - 2].word, kept_below if n > 2 else None))
        table.children.append(_children(level.children, kept, kept_below))
        log_prob.append(_logarithms(probability, kept_below, arena))
        table.log_backoff.append(_logarithms(backoff, kept_below, arena))
        kept_below, probability = kept, higher
        level.count = level.suffix = adjusted[n - 1] = _NOTHING  # together as large as the model
        arena.rest()
    table.words.append(_chosen(levels[-1].word, kept_below))
    log_prob.append(_logarithms(probability, kept_below, arena))
    log_prob[0][BOS_ID] = -np.inf  # `<s>` is always given, never predicted
    table.log_prob.extend(log_prob)
    return Estimate(table, discounts, seen)


def _chosen(values: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    return values if kept is None else values[kept]


def _logarithms(values: np.ndarray, kept: np.ndarray | None, arena: Arena) -> np.ndarray:
    """Natural logarithms of the kept rows, at most 0; -inf for 0, since a discount of 0 leaves nothing to back off with in
    some contexts."""
    chosen = _chosen(values, kept)
    out = arena.empty(len(chosen), np.float32)
    for begin in range(0, len(chosen), arena.rows):
        with np.errstate(divide="ignore"):
            part = np.log(chosen[begin : begin + arena.rows])
        np.minimum(part, 0, out=out[begin : begin + len(part)])
    return out


def _adjusted_counts(levels: list[Level], arena: Arena) -> list[np.ndarray]:
    """Adjusted counts: Chen and Goodman's N1+(. w1..wn) below the highest order; plain counts for the highest order and after
    `<s>`."""
    adjusted = []
    begin, end = BOS_ID, BOS_ID + 1  # rows that begin with <s> are one slice of every order
    for level, above in zip(levels, [*levels[1:], None], strict=True):
        if len(level.children):
            begin, end = int(level.children[begin]), int(level.children[end])
        if above is None:
            adjusted.append(level.count)
            break
        a = arena.full(len(level), 0, above.count.dtype)
        for at in range(0, len(above), arena.rows):
            # a scalar of the same type makes this ten times as fast
            np.add.at(a, above.suffix[at : at + arena.rows], a.dtype.type(1))
        a[begin:end] = level.count[begin:end]
        adjusted.append(a)
    return adjusted


def _unigrams(adjusted: np.ndarray, d: Discounts) -> np.ndarray:
    """p(w) = (a(w) - D) / sum a + gamma / V, where V counts `<unk>` and `</s>` but not `<s>`."""
    total = int(adjusted.sum())
    lowered, freed = _discounted(adjusted, d)
    gamma = float(freed.sum()) / total
    return lowered / total + gamma / (len(adjusted) - 1)


def _discounted(a: np.ndarray, d: Discounts) -> tuple[np.ndarray, np.ndarray]:
    """Discounted counts a - D(a), and the discounts D(a)."""
    freed = np.array([0.0, *d[:3]])[np.minimum(a, 3)]
    return a - freed, freed


def _interpolate(level: Level, a, d: Discounts, kept, lower, arena: Arena) -> tuple[np.ndarray, np.ndarray]:
    """Equation 24 for one order: p(w | c) = (a(cw) - D) / a(c) + gamma(c) p(w | c without its first word).

    gamma(c) is what the discounts and the pruned n-grams of c leave. Returns p float32 [R] and gamma float32, one
    a prefix (1 where nothing follows it). Contexts are taken so many at a time that their rows fit a chunk.
    """
    contexts = len(level.children) - 1
    probability = arena.empty(len(level), np.float32)
    backoff = arena.full(contexts, 1, np.float32)
    begin = 0
    while begin < contexts:
        row = int(level.children[begin])
        end = int(np.searchsorted(level.children, row + arena.rows, side="right")) - 1
        end = min(max(end, begin + 1), contexts)
        edges = np.asarray(level.children[begin : end + 1]).astype(np.int64) - row
        rows = slice(row, row + int(edges[-1]))
        counts = np.asarray(a[rows])
        sizes = np.diff(edges)
        context = np.repeat(np.arange(end - begin), sizes)
        total = _sums(counts, edges)
        gamma = np.zeros(end - begin)
        visible = counts if kept is None else np.where(kept[rows], counts, 0)
        for j, discount in enumerate(d[:3], 1):
            gamma += discount * _sums(visible == j if j < 3 else visible >= 3, edges)
        if kept is not None:
            gamma += total - _sums(visible, edges)
        with np.errstate(divide="ignore", invalid="ignore"):
            gamma /= total
        lowered, _ = _discounted(counts, d)
        probability[rows] = lowered / total[context] + gamma[context] * lower[level.suffix[rows]]
        backoff[begin:end] = np.where(sizes > 0, gamma, 1)
        begin = end
    return probability, backoff


def _sums(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Exact sums of integers over the slices between `edges`."""
    running = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=running[1:])
    return np.diff(running[edges])


def _children(children: np.ndarray, kept: np.ndarray | None, parents: np.ndarray | None) -> np.ndarray:
    """The model's `children`: pruned rows are removed from the numbering, pruned parents from the index."""
    if kept is not None:
        place = np.zeros(len(kept) + 1, children.dtype)
        np.cumsum(kept, out=place[1:])
        children = place[children]
    if parents is not None:
        children = np.append(children[:-1][parents], children[-1:])
    return children
