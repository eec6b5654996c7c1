"""Numbers of a model that no answer may be made of: NaN, and infinity where it is not the logarithm of 0.

Weights are checked when they are all read, and what a model answers is checked where it becomes an answer: a table that
stays mapped is never read whole, and finite weights may still overflow. No numpy is imported: `interfaces` needs this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from seqcli.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

_CURE = "restore the model or train again"


def check_weights(tensors: Mapping[str, np.ndarray]) -> None:
    """Raises ModelError where an array of floating-point numbers contains NaN or infinity."""
    for name, array in tensors.items():
        if array.dtype.kind == "f" and array.size and not (math.isfinite(array.min()) and math.isfinite(array.max())):
            raise ModelError(f"{name} contains NaN or infinity", cure=_CURE)


def check_log_probs(log_prob: np.ndarray) -> None:
    """Raises ModelError where natural log-probabilities (any shape) are NaN or plus infinity."""
    if not log_prob.max(initial=-math.inf) < math.inf:  # the maximum of what holds NaN is NaN
        raise ModelError("the model's log-probabilities are not all finite", cure=_CURE)


def check_logits(logits: np.ndarray) -> None:
    """Raises ModelError where a row of logits [..., V] has NaN or plus infinity, or nothing above minus infinity."""
    if logits.size:
        best = logits.max(axis=-1)
        if not best.max() < math.inf:
            raise ModelError("the model's logits are not all finite", cure=_CURE)
        if best.min() == -math.inf:
            raise ModelError("all outputs of the model have probability zero", cure=_CURE)


def check_normalisers(log_sums: np.ndarray) -> None:
    """The same, by the logarithms of the sums of exp(logits), [...]."""
    if log_sums.size:
        if not log_sums.max() < math.inf:
            raise ModelError("the model's logits are not all finite", cure=_CURE)
        if log_sums.min() == -math.inf:
            raise ModelError("all outputs of the model have probability zero", cure=_CURE)
