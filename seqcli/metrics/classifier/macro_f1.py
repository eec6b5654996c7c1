"""The mean F1 of the labels that occur."""

import numpy as np

from seqcli.metrics import confusion

LOWER_IS_BETTER = False


def score(logits: np.ndarray, targets: np.ndarray) -> float:
    return confusion.of_logits(logits, targets).macro_f1
