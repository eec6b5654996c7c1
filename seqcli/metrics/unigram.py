"""The unigram model: what a language model must beat, since it knows how often each token occurs and nothing else.

p(t) = (c(t) + 1) / (N + V) for the c(t) of N training tokens, add-one smoothed over the V tokens that may occur. After
"a a b" and V = 2, p(a) = 3 / 5.
"""

from __future__ import annotations

import math

import numpy as np

from seqcli.text import BOS_ID

_AT_ONCE = 1 << 20


def counts(tokens: np.ndarray, size: int) -> np.ndarray:
    """How often each of `size` tokens occurs in int32 [T], int64 [V]; `<s>` is given, not predicted, and counts 0."""
    found = np.zeros(size, np.int64)
    for first in range(0, len(tokens), _AT_ONCE):
        found += np.bincount(tokens[first : first + _AT_ONCE], minlength=size)
    found[BOS_ID] = 0
    return found


def cross_entropy(training: np.ndarray, held_out: np.ndarray) -> float:
    """Nats per token of text with the counts `held_out` (int64 [V]) under the unigram model of the counts `training`."""
    log_prob = np.log(training + 1.0) - math.log(training.sum() + len(training) - 1)
    return -float((held_out * log_prob).sum() / max(held_out.sum(), 1))


def uniform(size: int) -> float:
    """Nats per token where all `size` tokens but `<s>` are as likely."""
    return math.log(size - 1)
