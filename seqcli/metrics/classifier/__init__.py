"""Metrics of classifiers, one module each, whose name is that of `train classifier --metric`.

A module offers

    LOWER_IS_BETTER = False
    score(logits, targets) -> float        logits: float64 [N, C], natural logarithms up to a constant per row; targets: int [N]

A target of C or more is a label that the classifier does not have. Metrics other than those of `results.classification.Evaluation`
are shown after them.
"""

from __future__ import annotations

import numpy as np

from seqcli import catalog

FOLDER = "metrics/classifier"


def names() -> list[str]:
    return catalog.names(FOLDER)


def directions() -> dict[str, int]:
    """For each metric 1 if lower is better, and -1 if higher is."""
    return {name: 1 if catalog.load(FOLDER, name).LOWER_IS_BETTER else -1 for name in names()}


def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """All metrics by name. logits: float64 [N, C]; targets: int [N]."""
    return {name: float(catalog.load(FOLDER, name).score(logits, targets)) for name in names()}
