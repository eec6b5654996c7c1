"""Cross-entropy in nats per text, of the texts whose label the classifier has."""

import numpy as np

from seqcli.metrics import calibration

LOWER_IS_BETTER = True


def score(logits: np.ndarray, targets: np.ndarray) -> float:
    known = targets < logits.shape[1]
    return calibration.log_loss(logits[known], targets[known])
