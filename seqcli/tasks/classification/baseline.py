"""What stands beside a classifier's figures: those of a guess that does not look at the text."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqcli.tasks.classification.data import Texts


def beside(texts: Texts, held_out: Texts) -> dict[str, Any]:
    """`majority`: the most frequent label of the training texts; `accuracy`: the share of held-out texts that have it;
    `prior_loss`: nats per held-out text, of those whose label occurs in the training texts, if every label is as probable as its
    share there, add-one smoothed."""
    counts = np.bincount(texts.targets, minlength=len(texts.labels))
    log_prior = np.log((counts + 1) / (len(texts) + len(counts)))
    majority, known = int(counts.argmax()), held_out.targets[held_out.targets < len(counts)]
    return {
        "majority": texts.labels[majority],
        "accuracy": float((held_out.targets == majority).mean()) if len(held_out) else 0.0,
        "prior_loss": float(-log_prior[known].mean()) if len(known) else 0.0,
    }
