"""Held-out texts of classifiers, in parts of a few thousand tokens and in a seeded order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqcli.interfaces import TokenBatch
from seqcli.ragged import gather
from seqcli.tasks.classification.opened import figures

METRICS = {"loss": 1, "accuracy": -1, "macro_f1": -1}  # and whether lower is better
_PART = 8192  # tokens


class HeldOut:
    """A `training.keeping.HeldOut`. targets: int32 [B], of the rows of `texts`; products: the dtype of matrix products."""

    def __init__(self, texts: TokenBatch, targets: np.ndarray, *, metric: str, products: Any, seed: int):
        self._texts, self._targets, self._metric, self._products = texts, targets, metric, products
        order = np.random.default_rng([seed, 1]).permutation(len(targets))
        cuts = np.flatnonzero(np.diff(np.cumsum(texts.lengths[order]) // _PART)) + 1
        self._parts = [part for part in np.split(order, cuts) if len(part)]

    def __len__(self) -> int:
        return len(self._parts)

    def answer(self, model: Any, part: int) -> np.ndarray:
        """Logits of its rows, float64 [b, C]."""
        rows, texts = self._parts[part], self._texts
        model.products = self._products
        tokens = gather(texts.tokens, texts.starts[rows], texts.lengths[rows])
        return model.classify(TokenBatch(tokens, texts.lengths[rows])).astype(np.float64)

    def figures(self, answers: Sequence[np.ndarray]) -> tuple[float, dict[str, Any]]:
        """The metric, and all figures; `held_out_texts`: how many there are, judged or not."""
        rows = np.concatenate(self._parts[: len(answers)])
        inverse = np.argsort(rows)  # of all texts the figures are those in their own order, to the last digit
        found = figures(np.concatenate(answers)[inverse], self._targets[rows[inverse]])
        return METRICS[self._metric] * found[self._metric], {**found, "held_out_texts": len(self._targets)}
