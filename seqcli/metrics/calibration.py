"""Calibration: the temperature with which a classifier that predicts 80 % is right in 80 % of cases, and measures of the deviation.

Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks": all logits are divided by one number,
which changes all probabilities but no prediction. Logits [N, C] are natural log-probabilities up to a constant per row;
everything is summed in float64.
"""

from __future__ import annotations

import math

import numpy as np

COLDEST, HOTTEST = 0.05, 20.0  # temperatures
_LOWEST = -1e6  # nats: a label with -inf is only so unlikely, so that every text has a finite loss
_STEPS = 100
PSEUDO_COUNT = 1.0  # of `classify --calibrate` and of training, where few texts may be held out


def temperature(logits: np.ndarray, targets: np.ndarray, *, pseudo_count: float = 0.0) -> float:
    """The T from 0.05 to 20 with the smallest mean of -log softmax(logits / T)[target]; 1 if all are equal.

    pseudo_count: with 1 the target of a text counts (N + 1) / (N + 2) and the other labels share the rest, as Platt (1999) does for
    two labels. Without it, a few texts that are all classified correctly lead to the lowest T and to probabilities of 1. (The
    number of labels does not count: with (N + 1) / (N + C), targets of 200 labels with 5 texts each would count a third.)
    """
    logits, targets = _relative_to_best(logits), np.asarray(targets)
    if not len(logits):
        return 1.0
    target_logits = np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
    if pseudo_count:
        share = pseudo_count / (len(logits) + 2 * pseudo_count)
        others = logits > _LOWEST  # a label that is impossible at every T has no share
        np.put_along_axis(others, targets[:, None], False, axis=1)
        count = others.sum(axis=1)
        mean = logits.sum(axis=1, where=others) / np.maximum(count, 1)
        target_logits = np.where(count > 0, (1 - share) * target_logits + share * mean, target_logits)
    # The loss is convex in b = 1 / T. Its slope is the mean of E[logit] - target_logits, its curvature that of Var[logit].
    low, high = 1 / HOTTEST, 1 / COLDEST
    at_hottest, at_coldest = (_slope(logits, target_logits, b)[0] for b in (low, high))
    if at_hottest == 0 == at_coldest:
        return 1.0
    if at_hottest >= 0:
        return HOTTEST
    if at_coldest <= 0:
        return COLDEST
    b = 1.0
    for _ in range(_STEPS):
        slope, curvature = _slope(logits, target_logits, b)
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / curvature if curvature > 0 else math.inf
        new = step if low < step < high else (low + high) / 2  # Newton's step, or bisection if it leaves the interval
        if abs(new - b) <= 1e-10 * b:
            break
        b = new
    return 1 / b


def _slope(logits: np.ndarray, target_logits: np.ndarray, b: float) -> tuple[float, float]:
    """First and second derivative, by b, of the loss of softmax(b * logits)."""
    p = np.exp(b * logits)
    p /= p.sum(axis=1, keepdims=True)
    mean = (p * logits).sum(axis=1)
    variance = (p * (logits - mean[:, None]) ** 2).sum(axis=1)
    return float((mean - target_logits).mean()), float(variance.mean())


def _relative_to_best(logits: np.ndarray) -> np.ndarray:
    """The same up to a constant a row, the largest 0: float64 [N, C]."""
    logits = np.asarray(logits, np.float64)
    assert logits.ndim == 2 and not np.isnan(logits).any()
    logits = np.where(logits == math.inf, np.finfo(np.float64).max, logits)
    best = logits.max(axis=1, keepdims=True, initial=-np.finfo(np.float64).max)
    with np.errstate(over="ignore"):
        return np.maximum(logits - best, _LOWEST)


def log_loss(logits: np.ndarray, targets: np.ndarray, *, temperature: float = 1.0) -> float:
    """The mean of -log p(target), in nats per text; nan without texts."""
    logits = _relative_to_best(logits) / temperature
    if not len(logits):
        return math.nan
    target_logits = np.take_along_axis(logits, np.asarray(targets)[:, None], axis=1)[:, 0]
    return float((np.log(np.exp(logits).sum(axis=1)) - target_logits).mean())


def expected_calibration_error(probability: np.ndarray, correct: np.ndarray, *, bins: int = 15) -> float:
    """Guo et al. (2017), equation 3: the mean distance of accuracy and probability over bins of similar probability.

    probability: float [N], of the predicted label; correct: bool [N]. Bin k holds (k / bins, (k + 1) / bins].
    Four texts classified with 0.9, three of them correctly: |0.75 - 0.9| = 0.15.
    """
    probability, correct = np.asarray(probability, np.float64), np.asarray(correct, np.float64)
    if not len(probability):
        return math.nan
    place = np.searchsorted(np.arange(1, bins) / bins, probability)
    gaps = np.bincount(place, correct - probability, minlength=bins)
    return float(np.abs(gaps).sum() / len(probability))
