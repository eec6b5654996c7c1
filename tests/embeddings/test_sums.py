"""Sums of rows of embeddings, against NumPy adding one bag after another."""

import numpy as np
import pytest

from seqcli.embeddings.sums import means, sums
from seqcli.token_batch import TokenBatch


@pytest.mark.parametrize("lengths", [[], [0], [3, 0, 1, 5], [1, 33, 0, 64, 2500, 32]])
def test_a_bag_has_the_sum_and_the_mean_of_its_rows(lengths):
    rng = np.random.default_rng(1)
    table = rng.normal(size=(50, 3)).astype(np.float32)
    bags = TokenBatch(rng.integers(0, 50, sum(lengths)).astype(np.int32), np.array(lengths, np.int64))
    expected = np.array([table[row].astype(np.float64).sum(axis=0) for row in bags.rows]).reshape(-1, 3)
    np.testing.assert_allclose(sums(lambda ids: table[ids], bags, dim=3), expected, atol=1e-4)
    counts = np.maximum(lengths, 1)[:, None] if lengths else np.ones((0, 1))
    np.testing.assert_allclose(means(table, bags), expected / counts, atol=1e-5)
