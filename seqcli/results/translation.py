"""Translations, and where each of their tokens looked."""

from __future__ import annotations

from dataclasses import dataclass, field

from seqcli.results import LOG, Result, shown


@dataclass(frozen=True)
class Hypothesis(Result):
    """finish_reason: "end", or "length" where the translation was cut, so that log_prob has no `</s>`."""

    translation: str = shown()
    log_prob: float = shown(LOG, "%.2f")
    finish_reason: str = "end"


@dataclass(frozen=True)
class Translation(Result):
    """The best translation of a text; n_best: all that were asked for, best first."""

    source: str = shown()
    translation: str = shown()
    log_prob: float = shown(LOG, "%.2f")
    finish_reason: str = "end"
    n_best: list[Hypothesis] = field(default_factory=list)


@dataclass(frozen=True)
class Attention(Result):
    """weights: row t is where the t-th target token looked in the source, [T][S]; alignment: pairs of word positions."""

    translation: str
    source: list[str]
    target: list[str]
    weights: list[list[float]]
    alignment: list[tuple[int, int]]
