"""The share of texts whose label is the most probable one."""

import numpy as np

from seqcli.metrics import confusion

LOWER_IS_BETTER = False


def score(logits: np.ndarray, targets: np.ndarray) -> float:
    return confusion.of_logits(logits, targets).accuracy
