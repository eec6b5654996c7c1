"""A step of GloVe against finite differences of its loss."""

import numpy as np
import pytest
import torch

from seqcli.embeddings.cooccurrence import Cooccurrence
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
        np.testing.assert_allclose(tables[side].squares.numpy() - 1, 1e-6 * slope**2, atol=2e-6)


def test_steps_are_those_of_the_paper_written_out_for_one_pair_at_a_time():
    """In float64, with Adagrad as the authors' program has it: the squares are those of the gradients times the rate."""
    rng, rate, most = np.random.default_rng(1), 0.05, 10.0
    w, c = (rng.normal(size=(3, 5)) for _ in range(2))
    of_w, of_c = np.ones((3, 5)), np.ones((3, 5))
    tables = [glove.Table(torch.tensor(v, dtype=torch.float32), torch.ones(3, 5)) for v in (w, c)]
    for _ in range(20):
        i, j = rng.integers(0, 3, 2)
        x = float(rng.uniform(0.1, 30))
        one = [torch.tensor([each]) for each in (i, j)]
        glove.learn(*tables, *one, torch.tensor([x], dtype=torch.float32), rate=rate, most=most)
        error = min(1.0, x / most) ** 0.75 * (w[i, :4] @ c[j, :4] + w[i, 4] + c[j, 4] - np.log(x))
        step_w, step_c = (rate * error * np.append(other[:4], 1.0) for other in (c[j], w[i]))
        w[i] -= step_w / np.sqrt(of_w[i])
        c[j] -= step_c / np.sqrt(of_c[j])
        of_w[i] += step_w**2
        of_c[j] += step_c**2
    for table, values, squares in zip(tables, (w, c), (of_w, of_c)):
        np.testing.assert_allclose(table.values.numpy(), values, atol=1e-5)
        np.testing.assert_allclose(table.squares.numpy(), squares, atol=1e-5)


def test_biases_begin_at_what_independent_words_have():
    p, total = np.array([0.5, 0.3, 0.2]), 100.0
    first, second = np.triu_indices(3)
    expected = np.where(first == second, 1, 2) * p[first] * p[second] * total
    biases = glove._biases(Cooccurrence(first, second, expected), 3)
    np.testing.assert_allclose(biases[:, None] + biases, np.log(2 * total * np.outer(p, p)))
