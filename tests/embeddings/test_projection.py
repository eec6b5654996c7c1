"""Principal components against scikit-learn's."""

import numpy as np
import pytest

from seqcli.embeddings.vectors import pca


def test_principal_components_are_those_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    vectors = np.random.default_rng(1).normal(size=(30, 6)) @ np.diag([5, 3, 1, 1, 0.5, 0.1])
    points, shares = pca(vectors)
    judge = decomposition.PCA(2)
    expected = judge.fit_transform(vectors)
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-8)
    np.testing.assert_allclose(shares, judge.explained_variance_ratio_, rtol=1e-8)


def test_equal_vectors_are_one_point():
    points, shares = pca(np.ones((3, 4)))
    assert not points.any() and not shares.any()
