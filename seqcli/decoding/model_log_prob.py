"""Natural log p of the next token, from the logits that a model's `extend` gives.

A network's logits are log-probabilities up to a constant, so they are normalised. An n-gram model's logits are its
log-probabilities: the probabilities of an ARPA file need not sum to 1, and `generate` has to report the same values as `score`.
"""

from __future__ import annotations

import numpy as np

from seqcli.decoding import policy
from seqcli.interfaces import AutoregressiveModel


def log_probs(model: AutoregressiveModel, logits: np.ndarray) -> np.ndarray:
    """Log-probabilities, float64 [B, V], of logits [B, V]."""
    return logits.astype(np.float64) if model.logits_are_log_probs else policy.log_softmax(logits)
