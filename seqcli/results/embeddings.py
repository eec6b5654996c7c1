"""Vectors of texts, similar words, and how well vectors agree with people."""

from __future__ import annotations

from dataclasses import dataclass

from seqcli.results import WHOLE, Result, shown


@dataclass(frozen=True)
class Neighbour(Result):
    """A word and its cosine similarity to another, or to the answer of an analogy."""

    word: str = shown()
    similarity: float = shown("%.6f", "%.3f")


@dataclass(frozen=True)
class Similarity(Result):
    """How the similarities of a model agree with those that people gave to pairs of words.

    pairs: those with vectors of both words; missing: words without one, each counted once; spearman: rank correlation, None
    for fewer than two pairs; ci_low, ci_high: its 95 % interval, None for fewer than four.
    """

    model: str = shown()
    pairs: int = shown(WHOLE)
    missing_pairs: int = shown(WHOLE)
    missing: int = shown(WHOLE)
    spearman: float | None = shown("%.4f", "%.3f")
    ci_low: float | None = shown("%.4f", "%.3f")
    ci_high: float | None = shown("%.4f", "%.3f")
