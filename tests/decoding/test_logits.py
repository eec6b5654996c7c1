"""Logits and sampling settings: each step against its definition, row by row; draws that are functions of their place."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.decoding.logits import distribution, draw, log_normaliser, log_softmax, top, top_mask
from seqcli.decoding.sampling import Policy, numbers

LOGITS = st.lists(
    st.lists(st.sampled_from([-math.inf, -3.0, -1.0, 0.0, 0.5, 0.5, 2.0, 700.0]), min_size=5, max_size=5).filter(
        lambda row: max(row) > -math.inf
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def by_definition(logits: list[float], policy: Policy, history: list[int]) -> list[float]:
    """Probabilities, one step of the docstring after another."""
    x = [value / policy.repetition_penalty if value > 0 else value * policy.repetition_penalty for value in logits]
    x = [penalised if id in history else value for id, (value, penalised) in enumerate(zip(logits, x))]
    order = sorted(range(len(x)), key=lambda id: (-x[id], id))
    if policy.temperature == 0:
        return [float(id == order[0]) for id in range(len(x))]
    p = [math.exp((value - max(x)) / policy.temperature) for value in x]
    kept = order[: policy.top_k]
    for most in (policy.top_p, None):
        total = sum(p[id] for id in kept)
        p = [p[id] / total if id in kept else 0.0 for id in range(len(p))]
        if most is not None and most < 1:
            sums = [sum(p[id] for id in kept[:n]) for n in range(len(kept))]
            kept = [id for n, id in enumerate(kept) if n == 0 or sums[n] < most]
    p = [value if value >= policy.min_p * max(p) else 0.0 for value in p]
    return [value / sum(p) for value in p]


@settings(deadline=None, max_examples=300)
@given(
    LOGITS, st.sampled_from([0.0, 1e-300, 0.5, 1.0, 3.0, 1e6]), st.sampled_from([None, 1, 2, 4, 100]),
    st.sampled_from([0.0, 0.3, 0.77, 1.0]), st.sampled_from([0.0, 0.05, 0.61, 1.0]), st.sampled_from([1.0, 1.3, 0.5]),
)  # fmt: skip
def test_the_distribution_is_the_defined_one(logits, temperature, top_k, top_p, min_p, penalty):
    policy = Policy(temperature, top_k, top_p, min_p, penalty)
    history = np.array([[3, 1, 3]] * len(logits))
    with np.errstate(all="raise", under="ignore"):
        found = distribution(np.array(logits, np.float32), policy, history=history)
    for row, given_ in zip(np.exp(found), logits):
        assert row.sum() == pytest.approx(1)
        np.testing.assert_allclose(row, by_definition(given_, policy, [3, 1]), atol=1e-9)


@settings(deadline=None, max_examples=300)
@given(
    LOGITS, st.sampled_from([0.0, 1e-300, 1.0]), st.sampled_from([None, 1, 2]), st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([0.0, 0.61, 1.0]),
)  # fmt: skip
def test_what_is_not_random_leaves_one_token(logits, temperature, top_k, top_p, min_p):
    """Equally likely ones too: min-p keeps all of them, the others the first."""
    policy = Policy(temperature, top_k, top_p, min_p)
    if not policy.random:
        assert [sum(p > 0 for p in by_definition(row, policy, [])) for row in logits] == [1] * len(logits)
        found = distribution(np.array(logits, np.float32), policy)
        assert (found > -np.inf).sum(axis=1).tolist() == [1] * len(logits)


def test_the_defaults_change_nothing():
    logits = np.array([[1.0, 2.0, -np.inf], [0.0, 0.0, 5.0]], np.float32)
    np.testing.assert_allclose(distribution(logits, Policy()), log_softmax(logits))


@pytest.mark.parametrize(
    "policy, left",
    [
        (Policy(temperature=0), [1]),
        (Policy(top_k=2), [0, 1]),  # of the equal ones the first
        (Policy(top_p=0.5), [0, 1]),  # 0.4 is not enough
        (Policy(top_p=0.39), [1]),
        (Policy(top_p=0), [1]),
        (Policy(min_p=0.5), [0, 1, 2]),
        (Policy(min_p=0.51), [1]),
        (Policy(top_k=3, top_p=0.6), [0, 1]),  # top-p counts what top-k left: 0.5 and 0.25
    ],
)
def test_what_stays(policy, left):
    p = distribution(np.log(np.array([[0.2, 0.4, 0.2, 0.15, 0.05]])), policy)
    assert np.flatnonzero(p[0] > -np.inf).tolist() == left


@given(
    st.lists(st.lists(st.sampled_from([-math.inf, 0.0, 1.0, 2.0]), min_size=6, max_size=6), min_size=1),
    st.integers(1, 8),
)
def test_the_largest_come_first_and_of_equal_ones_the_earlier(rows, k):
    values = np.array(rows)
    expected = [sorted(range(6), key=lambda i, row=row: (-row[i], i))[:k] for row in rows]
    assert top(values, k).tolist() == expected
    assert [np.flatnonzero(row).tolist() for row in top_mask(values, k)] == [sorted(row) for row in expected]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([1, 127, 128, 640, 1000, 2561]), st.integers(1, 12),
    st.sampled_from([2, 30, 10**6]), st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_of_many_values_the_same_are_the_largest(seed, rows, size, k, kinds, dtype):
    """kinds: few make ties, within blocks and across them."""
    values = np.random.default_rng(seed).integers(0, kinds, (rows, size)).astype(dtype)
    values[:, ::7] = -np.inf
    assert np.array_equal(top(values, k), np.argsort(-values, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("scale", [0, 1, 30])
def test_the_sum_of_probabilities_in_float32(scale):
    logits = np.random.default_rng(0).normal(size=(50, 10_000), scale=scale).astype(np.float32) - 40
    logits[:, 5] = -np.inf
    exact = logits[:, 0] - log_softmax(logits)[:, 0]
    np.testing.assert_allclose(log_normaliser(logits), exact, atol=2e-6)


def test_a_sample_has_its_own_numbers():
    first = numbers(7, line=3, sample=1).random(5)
    assert np.array_equal(first, numbers(7, line=3, sample=1).random(9)[:5])
    one = numbers(7, line=3, sample=1)
    assert np.array_equal(first, [one.random() for _ in range(5)])
    places = ((8, 3, 1), (7, 4, 1), (7, 3, 2), (7, 1, 3))
    others = [numbers(seed, line=line, sample=sample).random() for seed, line, sample in places]
    assert len({first[0], *others}) == 5
    assert first[0] == 0.001073713053232006  # the same on every machine, today and tomorrow


def test_draws_follow_the_distribution():
    p = np.array([0.1, 0.0, 0.6, 0.3, 0.0])
    with np.errstate(divide="ignore"):
        log_p = np.log(np.tile(p, (40_000, 1)))
    u = np.array([numbers(0, line=line, sample=0).random() for line in range(1, len(log_p) + 1)])
    share = np.bincount(draw(log_p, u), minlength=5) / len(log_p)
    assert share[1] == share[4] == 0
    np.testing.assert_allclose(share, p, atol=4 * 0.5 / math.sqrt(len(log_p)))
    edges = np.array([0.0, 0.0999999, 0.1000001, 0.6999999, 0.7000001, 1 - 2**-53])
    assert draw(log_p[:6], edges).tolist() == [0, 0, 2, 2, 3, 3]
