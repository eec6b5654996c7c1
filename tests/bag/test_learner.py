"""A bag's learning, judged by a slow learner in float64 that knows neither tables nor gathers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.bag.learner import MOST_GIVEN, Plan, given_head, learn
from seqcli.token_batch import TokenBatch

BUCKETS = 32
ROWS = st.lists(st.lists(st.integers(0, BUCKETS - 1), max_size=7), min_size=2, max_size=9)


def batch_of(rows) -> TokenBatch:
    return TokenBatch(
        np.array([id for row in rows for id in row], np.int32), np.array([len(row) for row in rows], np.int64)
    )


def learnt(rows, targets, *, labels=2, epochs=2, rate=3.0, step=3, seed=0, weights=None, width=4):
    plan = Plan(epochs=epochs, rate=rate, rows=step, seed=seed)
    targets = np.array(targets)
    return learn(batch_of(rows), targets, labels=labels, buckets=BUCKETS, width=width, plan=plan, weights=weights)


def probabilities(logits):
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def slow(rows, targets, *, labels, epochs, rate, step, seed, weights):
    """Logits of every row after learning with a number for every feature and label."""
    w = np.zeros((BUCKETS, labels))
    frequency = np.bincount(targets, minlength=labels) * weights + 1e-3
    bias = np.log(frequency / frequency.sum())
    often = np.bincount([id for row in rows for id in row], minlength=BUCKETS)

    def logits(row):
        return sum((w[id] for id in row), np.zeros(labels)) / max(len(row), 1) ** 0.5 + bias

    begins = [(epoch, at) for epoch in range(epochs) for at in range(0, len(rows), step)]
    for done, (epoch, at) in enumerate(begins):
        order = np.random.default_rng([seed, 1 + epoch]).permutation(len(rows))[at : at + step]
        change = np.zeros_like(w)
        for i in order:
            error = (probabilities(logits(rows[i])) - np.eye(labels)[targets[i]]) * weights[targets[i]]
            for id in rows[i]:
                change[id] += error / len(rows[i]) ** 0.5 / (often[id] + 1) ** 0.5
        w -= rate * (1 - done / len(begins)) * change
    return np.array([logits(row) for row in rows])


@settings(deadline=None, max_examples=50)
@given(ROWS, st.integers(2, 5), st.integers(0, 3), st.data())
def test_learning_is_that_of_the_slow_learner(rows, labels, seed, data):
    """With two labels too, where only their difference is learnt: weights begin at 0 and move by opposite amounts."""
    targets = data.draw(st.lists(st.integers(0, labels - 1), min_size=len(rows), max_size=len(rows)))
    weights = np.linspace(0.5, 2, labels)
    about = {"labels": labels, "epochs": 2, "rate": 3.0, "step": 3, "seed": seed, "weights": weights}
    logits = learnt(rows, targets, **about).logits(batch_of(rows))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, slow(rows, np.array(targets), **about), rtol=1e-4, atol=1e-4)


def toy(labels: int, seed: int = 0):
    """A row of label k holds feature k among noise."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, labels, 300)
    rows = [[int(k), *map(int, rng.integers(labels, BUCKETS, 3))] for k in targets]
    return rows, targets


@pytest.mark.parametrize("labels", [2, 3, MOST_GIVEN + 4])
def test_a_toy_is_learnt(labels):
    rows, targets = toy(labels)
    bag = learnt(rows, targets, labels=labels, epochs=20, step=16, width=16)
    rows, targets = toy(labels, seed=1)
    assert (bag.logits(batch_of(rows)).argmax(axis=1) == targets).mean() > 0.97


def test_a_learnt_head_moves():
    rows, targets = toy(20)
    heads = [learnt(rows, targets, labels=20, epochs=n, width=6).head for n in (0, 2)]
    assert heads[0].shape == (6, 20) and not np.allclose(*heads)


@pytest.mark.parametrize("labels", [2, 3, 20])
def test_the_seed_decides_and_nothing_else(labels):
    rows, targets = toy(labels)
    one, same, other = (learnt(rows, targets, labels=labels, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.embeddings, same.embeddings) and np.array_equal(one.head, same.head)
    assert not np.array_equal(one.embeddings, other.embeddings)


@pytest.mark.parametrize("labels", [2, 5, 20])
def test_logits_do_not_depend_on_neighbours(labels, monkeypatch):
    rows, targets = toy(labels)
    bag = learnt(rows, targets, labels=labels)
    rows = [[], *rows[:40], [], rows[3] * 50, []]
    together = bag.logits(batch_of(rows))
    alone = np.concatenate([bag.logits(batch_of([row])) for row in rows])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    monkeypatch.setattr("seqcli.bag.learner._AT_ONCE", 7)
    np.testing.assert_allclose(bag.logits(batch_of(rows)), together, rtol=0, atol=1e-6)
    assert bag.logits(batch_of([])).shape == (0, labels)


def test_a_row_without_features_has_the_prior():
    bag = learnt([[1], [2], [3], []], [0, 0, 0, 1])
    np.testing.assert_allclose(probabilities(bag.logits(batch_of([[]]))[0]), [0.75, 0.25], atol=1e-3)


def test_weights_shift_what_is_learnt():
    rows, targets = [[1], [1], [1], [1]], [0, 0, 0, 1]
    both = (None, np.array([1.0, 9.0]))
    plain, heavy = (learnt(rows, targets, epochs=30, weights=weights).logits(batch_of([[1]]))[0] for weights in both)
    assert plain[0] > plain[1] and heavy[1] > heavy[0]


@pytest.mark.parametrize("labels", [2, 3, MOST_GIVEN])
def test_rows_of_a_given_head_are_of_length_1_and_at_right_angles(labels):
    head = given_head(labels)
    np.testing.assert_allclose(head @ head.T, np.eye(len(head)), atol=1e-6)


def test_more_labels_have_a_head_of_their_own():
    assert given_head(MOST_GIVEN + 1) is None
