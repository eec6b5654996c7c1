"""Does a classifier that says 80 % get 80 % right? The temperature that brings it there, and figures of how far it is.

Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks": all logits are divided by one number,
which no prediction changes but every probability. Logits [N, C] are natural log-probabilities up to a constant a row;
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
    """The T from 0.05 to 20 with the least mean of -log softmax(logits / T)[target]; 1 where every T is as good.

    pseudo_count: 1 believes the truth of a text with (N + 1) / (N + 2) only, the other labels share the rest, as Platt
    (1999) does for two labels. Without, few texts that are all told rightly ask for the coldest T, and all is certain. (The
    number of labels has no place in it: with (N + 1) / (N + C) 200 labels of 5 texts each are believed with a third.)
    """
    logits, targets = _from_the_best(logits), np.asarray(targets)
    if not len(logits):
        return 1.0
    wanted = np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
    if pseudo_count:
        share = pseudo_count / (len(logits) + 2 * pseudo_count)
        others = logits > _LOWEST  # a label that is impossible at every T has no share
        np.put_along_axis(others, targets[:, None], False, axis=1)
        count = others.sum(axis=1)
        mean = logits.sum(axis=1, where=others) / np.maximum(count, 1)
        wanted = np.where(count > 0, (1 - share) * wanted + share * mean, wanted)
    # The loss is convex in b = 1 / T. Its slope is the mean of E[logit] - wanted, its curvature that of Var[logit].
    low, high = 1 / HOTTEST, 1 / COLDEST
    at_hottest, at_coldest = (_slope(logits, wanted, b)[0] for b in (low, high))
    if at_hottest == 0 == at_coldest:
        return 1.0
    if at_hottest >= 0:
        return HOTTEST
    if at_coldest <= 0:
        return COLDEST
    b = 1.0
    for _ in range(_STEPS):
        slope, curvature = _slope(logits, wanted, b)
        low, high = (b, high) if slope < 0 else (low, b)
        step = b - slope / curvature if curvature > 0 else math.inf
        new = step if low < step < high else (low + high) / 2  # Newton's step, or halves where that leads astray
        if abs(new - b) <= 1e-10 * b:
            break
        b = new
    return 1 / b


def _slope(logits: np.ndarray, wanted: np.ndarray, b: float) -> tuple[float, float]:
    """First and second derivative, by b, of the loss of softmax(b * logits)."""
    p = np.exp(b * logits)
    p /= p.sum(axis=1, keepdims=True)
    mean = (p * logits).sum(axis=1)
    variance = (p * (logits - mean[:, None]) ** 2).sum(axis=1)
    return float((mean - wanted).mean()), float(variance.mean())


def _from_the_best(logits: np.ndarray) -> np.ndarray:
    """The same up to a constant a row, the largest 0: float64 [N, C]."""
    logits = np.asarray(logits, np.float64)
    assert logits.ndim == 2 and not np.isnan(logits).any()
    logits = np.where(logits == math.inf, np.finfo(np.float64).max, logits)
    best = logits.max(axis=1, keepdims=True, initial=-np.finfo(np.float64).max)
    with np.errstate(over="ignore"):
        return np.maximum(logits - best, _LOWEST)


def log_loss(logits: np.ndarray, targets: np.ndarray, *, temperature: float = 1.0) -> float:
    """The mean of -log p(target), in nats per text; nan of no texts."""
    logits = _from_the_best(logits) / temperature
    if not len(logits):
        return math.nan
    wanted = np.take_along_axis(logits, np.asarray(targets)[:, None], axis=1)[:, 0]
    return float((np.log(np.exp(logits).sum(axis=1)) - wanted).mean())


def expected_calibration_error(probability: np.ndarray, correct: np.ndarray, *, bins: int = 15) -> float:
    """Guo et al. (2017), equation 3: the mean distance of accuracy and probability over bins of like probability.

    probability: float [N], of the label that was named; correct: bool [N]. Bin k holds (k / bins, (k + 1) / bins].
    Four texts told with 0.9, three of them rightly: |0.75 - 0.9| = 0.15.
    """
    probability, correct = np.asarray(probability, np.float64), np.asarray(correct, np.float64)
    if not len(probability):
        return math.nan
    place = np.searchsorted(np.arange(1, bins) / bins, probability)
    gaps = np.bincount(place, correct - probability, minlength=bins)
    return float(np.abs(gaps).sum() / len(probability))
