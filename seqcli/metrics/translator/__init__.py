"""Metrics of translators, one module each, whose name is that of `train translator --metric`.

A module offers

    TITLE = "BLEU"                         its name in notes
    LOWER_IS_BETTER = False
    score(translations, references, *, tokenize=None, lowercase=False) -> Score

references: one or several sets of references, each with one per translation; tokenize: of metrics of words, None for the usual tokenization
of the references. The loss, in nats per token of the references, is a metric of every translator and needs no translations.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

from seqcli import catalog

FOLDER = "metrics/translator"
LOSS = "loss"


class Score(NamedTuple):
    """signature: how the value was computed."""

    value: float
    signature: str


def names() -> list[str]:
    return [*catalog.names(FOLDER), LOSS]


def load(name: str) -> ModuleType:
    return catalog.load(FOLDER, name)


def directions() -> dict[str, int]:
    """For each metric 1 if lower is better, and -1 if higher is."""
    return {LOSS: 1} | {name: 1 if load(name).LOWER_IS_BETTER else -1 for name in catalog.names(FOLDER)}


def scores(
    translations: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: str | None = None, lowercase: bool = False
) -> dict[str, Score]:  # fmt: skip
    """All metrics of translations by name. Arguments are as for the modules."""
    return {
        name: load(name).score(translations, references, tokenize=tokenize, lowercase=lowercase)
        for name in catalog.names(FOLDER)
    }
