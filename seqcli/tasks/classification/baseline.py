"""Baselines of a classifier that do not use the text."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqcli.tasks.classification.data import Texts


def beside(texts: Texts, held_out: Texts) -> dict[str, Any]:
    """`majority`: the most frequent label of the training texts; `accuracy`: the share of held-out texts that have it;
    `prior_loss`: loss in nats of predicting the add-one smoothed label frequencies of the training texts, per held-out text with one
    of their labels."""
    counts = np.bincount(texts.targets, minlength=len(texts.labels))
    log_prior = np.log((counts + 1) / (len(texts) + len(counts)))
    majority, known = int(counts.argmax()), held_out.targets[held_out.targets < len(counts)]
    return {
        "majority": texts.labels[majority],
        "accuracy": float((held_out.targets == majority).mean()) if len(held_out) else 0.0,
        "prior_loss": float(-log_prior[known].mean()) if len(known) else 0.0,
    }
