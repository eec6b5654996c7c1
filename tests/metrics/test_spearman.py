"""Spearman's rank correlation against pandas'."""

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.metrics.significance import spearman, spearman_interval


@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(-5, 5)), min_size=2, max_size=20))
def test_ties_share_their_ranks_as_in_pandas(pairs):
    one, other = (np.array(side, float) for side in zip(*pairs))
    expected = pandas.DataFrame({"a": one, "b": other}).corr(method="spearman").loc["a", "b"]
    found = spearman(one, other)
    assert found is None if np.isnan(expected) else found == pytest.approx(expected, abs=1e-12)


def test_the_interval_covers_the_true_correlation_about_95_times_in_100():
    rng, inside, runs, n = np.random.default_rng(0), 0, 400, 60
    truth = 6 / np.pi * np.arcsin(0.5 / 2)  # of a normal pair with a correlation of 0.5
    for _ in range(runs):
        x = rng.normal(size=n)
        r = spearman(x, 0.5 * x + np.sqrt(0.75) * rng.normal(size=n))
        low, high = spearman_interval(r, n)
        inside += low <= truth <= high
    assert 0.92 <= inside / runs <= 0.98


def test_few_pairs_have_no_interval():
    assert spearman(np.ones(1), np.ones(1)) is None and spearman(np.ones(3), np.arange(3)) is None
    assert spearman_interval(0.5, 3) is None and spearman_interval(1.0, 10) == (1.0, 1.0)
