"""metrics/calibration: the temperature against a search by brute force, figures by their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.metrics.calibration import (
    COLDEST,
    HOTTEST,
    expected_calibration_error,
    log_loss,
    temperature,
)


def sample(seed: int, *, rows: int = 300, classes: int = 3, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and targets drawn from their softmax: the right temperature is about 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * spread
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def slow_loss(logits, targets, t: float) -> float:
    losses = []
    for row, target in zip(np.asarray(logits, float).tolist(), targets):
        scaled = [logit / t for logit in row]
        best = max(scaled)
        losses.append(best + math.log(math.fsum(math.exp(value - best) for value in scaled)) - scaled[target])
    return math.fsum(losses) / len(losses)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 10]), st.floats(0.2, 5), st.floats(-50, 50))
def test_no_other_temperature_is_better(seed, classes, factor, shift):
    logits, targets = sample(seed, rows=40, classes=classes)
    logits = logits * factor + shift
    found = temperature(logits, targets)
    assert COLDEST <= found <= HOTTEST
    least = slow_loss(logits, targets, found)
    for t in [found * 1.001, found / 1.001, *np.geomspace(COLDEST, HOTTEST, 30)]:
        if COLDEST <= t <= HOTTEST:
            assert least <= slow_loss(logits, targets, t) + 1e-9


@given(st.integers(0, 10**6), st.floats(0.3, 3))
@settings(deadline=None, max_examples=20)
def test_logits_times_two_are_twice_as_hot(seed, factor):
    logits, targets = sample(seed)
    assert temperature(logits * factor, targets) == pytest.approx(factor * temperature(logits, targets), rel=1e-6)


def test_what_was_drawn_is_found_again():
    logits, targets = sample(0, rows=20_000)
    assert temperature(logits, targets) == pytest.approx(1, abs=0.03)
    assert temperature((logits * 7).astype(np.float32), targets.astype(np.int32)) == pytest.approx(7, abs=0.2)


def test_by_hand():
    """Three of four right, a gap of g: sigmoid(g / T) = 3 / 4 where T = g / ln 3."""
    logits, targets = np.array([[5.0, 0.0]] * 4), np.array([0, 0, 0, 1])
    assert temperature(logits, targets) == pytest.approx(5 / math.log(3))
    assert log_loss(logits, targets, temperature=5 / math.log(3)) == pytest.approx(
        -(3 * math.log(3 / 4) + math.log(1 / 4)) / 4
    )


def test_extremes_end_at_the_bounds():
    right, wrong = np.array([0, 1]), np.array([1, 0])
    for gap in (1.0, 1e3, 1e5):
        logits = np.array([[gap, 0], [0, gap]])
        assert temperature(logits, wrong) == HOTTEST
        assert temperature(logits, right) in (COLDEST, 1.0)  # 1: no double is between that probability and 1
    assert temperature(np.zeros((3, 2)), [0, 1, 0]) == 1 == temperature(np.zeros((0, 2)), np.zeros(0, int))
    assert temperature(np.full((3, 2), -700.0), [0, 1, 0]) == 1
    infinite = np.array([[0, -math.inf], [-math.inf, -3e38], [math.inf, 0]])
    assert (
        COLDEST <= temperature(infinite, [0, 1, 0]) <= HOTTEST
        and COLDEST <= temperature(infinite, [1, 0, 1]) <= HOTTEST
    )
    assert log_loss(infinite, [0, 1, 0]) == 0 and math.isfinite(log_loss(infinite, [1, 0, 1]))


@pytest.mark.parametrize("classes", [2, 5, 200])
@pytest.mark.parametrize("rows", [1, 20, 100])
def test_a_prior_does_not_depend_on_how_many_labels_there_are(classes, rows):
    """N right, each with a gap of g to all others: p = (N + 1) / (N + 2) where e^(g / T) = (N + 1) (C - 1)."""
    targets = np.arange(rows) % classes
    logits = 4.0 * np.eye(classes)[targets]
    found = temperature(logits, targets, pseudo_count=1)
    assert found == pytest.approx(4 / math.log((rows + 1) * (classes - 1)))
    assert math.exp(-log_loss(logits, targets, temperature=found)) == pytest.approx((rows + 1) / (rows + 2))


def test_one_gigantic_row_among_many_is_no_trouble():
    logits, targets = sample(3)
    logits[0] *= 1e6
    targets[0] = logits[0].argmax()
    assert temperature(logits, targets) == pytest.approx(temperature(logits[1:], targets[1:]), rel=1e-6)


def test_a_prior_keeps_few_texts_from_being_certain():
    logits, targets = np.array([[2.0, 0], [0, 2]] * 5), np.array([0, 1] * 5)
    assert temperature(logits, targets) == COLDEST
    # The truth has 11 / 12: sigmoid(2 / T) = 11 / 12.
    assert temperature(logits, targets, pseudo_count=1) == pytest.approx(2 / math.log(11))
    logits, targets = sample(4, rows=20_000)
    assert temperature(logits, targets, pseudo_count=1) == pytest.approx(temperature(logits, targets), rel=1e-3)


@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-1e3, 1e3))
@settings(deadline=None, max_examples=20)
def test_log_loss_by_its_definition(seed, t, shift):
    logits, targets = sample(seed, rows=10)
    assert log_loss(logits + shift, targets, temperature=t) == pytest.approx(slow_loss(logits, targets, t))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 20))
def test_calibration_error_by_its_definition(rows, bins):
    total = 0.0
    for k in range(bins):
        low, high = k / bins, (k + 1) / bins
        own = [(p, right) for p, right in rows if low < p <= high or (p == 0 and k == 0)]
        if own:
            total += (
                abs(sum(right for _, right in own) / len(own) - sum(p for p, _ in own) / len(own))
                * len(own)
                / len(rows)
            )
    probability, correct = map(np.array, zip(*rows))
    assert expected_calibration_error(probability, correct, bins=bins) == pytest.approx(total, abs=1e-12)


def test_calibration_error_by_hand():
    assert expected_calibration_error([0.9] * 4, [True, True, True, False]) == pytest.approx(0.15)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert math.isnan(expected_calibration_error([], []))


def test_an_impossible_label_has_no_share_of_the_pseudo_count():
    logits, targets = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.5]]), np.array([0, 0, 0])
    impossible = np.concatenate([logits, np.full((3, 1), -np.inf)], axis=1)
    few = temperature(impossible, targets, pseudo_count=1)
    assert COLDEST < few < HOTTEST and log_loss(impossible, targets, temperature=few) < 1


def test_the_right_temperature_lowers_the_error():
    logits, targets = sample(5, rows=5000)
    logits *= 4

    def error(t: float) -> float:
        p = np.exp(logits / t)
        p /= p.sum(axis=1, keepdims=True)
        return expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == targets)

    assert error(temperature(logits, targets)) < 0.03 < 0.1 < error(1)
