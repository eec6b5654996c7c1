"""A step of GloVe against finite differences of its loss."""

import numpy as np
import pytest
import torch

from seqcli.models import glove


def loss_of(words: np.ndarray, contexts: np.ndarray, i, j, x, most: float) -> float:
    total = 0.0
    for one, other, count in zip(i, j, x):
        error = words[one, :-1] @ contexts[other, :-1] + words[one, -1] + contexts[other, -1] - np.log(count)
        total += 0.5 * min(1.0, count / most) ** 0.75 * error**2
    return total


def test_a_first_step_goes_down_the_gradient_by_adagrad():
    rng = np.random.default_rng(0)
    i, j, x = np.array([0, 1, 1, 3]), np.array([2, 0, 2, 1]), np.array([0.5, 3, 40, 7], np.float32)
    values = [rng.normal(size=(4, 4)) for _ in range(2)]
    tables = [glove.Table(torch.tensor(v, dtype=torch.float32), torch.ones(4, 4)) for v in values]
    loss = glove.learn(*tables, torch.from_numpy(i), torch.from_numpy(j), torch.from_numpy(x), rate=1e-3, most=10)
    assert loss == pytest.approx(loss_of(*values, i, j, x, 10), rel=1e-5)
    for side in range(2):
        slope = np.zeros((4, 4))
        for place in np.ndindex(4, 4):
            for sign in (1, -1):
                near = [value.copy() for value in values]
                near[side][place] += sign * 1e-5
                slope[place] += sign * loss_of(*near, i, j, x, 10) / 2e-5
        np.testing.assert_allclose((tables[side].values.numpy() - values[side]) / -1e-3, slope, rtol=1e-2, atol=1e-2)
        np.testing.assert_allclose(tables[side].squares.numpy(), 1 + slope**2, rtol=1e-3)
