"""What is chosen on a device is what numpy chooses on the host."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.decoding.logits import HostLogits, repeats, step_of
from seqcli.decoding.sampling import Policy, numbers
from seqcli.errors import ModelError
from seqcli.nn.device_logits import DeviceLogits

V = 9
VALUES = st.sampled_from([-math.inf, -3.0, -0.0, 0.0, 0.5, 0.5, 0.75, 2.0, 90.0, -90.0])  # with ties
ROWS = st.lists(st.lists(VALUES, min_size=V, max_size=V), min_size=1, max_size=4)
NEVER = st.sampled_from([(), (0,), (0, 1)])
POLICIES = st.builds(
    Policy, st.sampled_from([0.0, 1e-300, 0.5, 1.0, 3.0]), st.sampled_from([None, 1, 2, 4, 100]), st.sampled_from([0.0, 0.3, 0.77, 1.0]),
    st.sampled_from([0.0, 0.05, 0.61, 1.0]), st.sampled_from([1.0, 1.3, 0.5]),
)  # fmt: skip


def both(rows):
    """Of a row there is a finite value that may come."""
    values = np.array(rows, np.float32)
    values[:, 2] = np.maximum(values[:, 2], -50)
    return HostLogits(values.copy(), normalised=False), DeviceLogits(torch.from_numpy(values))


@settings(deadline=None, max_examples=300)
@given(ROWS, st.integers(1, V + 2), NEVER, st.integers(0, 3))
def test_the_best_are_the_same(rows, k, never, n):
    ids = np.array([[3, 4, 3, 4, 3]] * len(rows))
    here, there = (each.best(k, never=never, forbidden=repeats(ids, n=n)) for each in both(rows))
    np.testing.assert_array_equal(here.tokens, there.tokens)
    np.testing.assert_array_equal(here.logits, there.logits)
    np.testing.assert_allclose(here.normaliser, there.normaliser, rtol=1e-6, atol=2e-6)


@settings(deadline=None, max_examples=500)
@given(ROWS, POLICIES, NEVER, st.integers(0, 3), st.integers(0, 1000))
def test_the_same_is_drawn(rows, policy, never, n, seed):
    ids = np.array([[3, 4, 3, 4, 3]] * len(rows))
    u = np.array([numbers(seed, line=line, sample=0).random() for line in range(len(rows))])
    with np.errstate(under="ignore"):
        here, there = (
            each.draw(policy, u, history=ids, never=never, forbidden=repeats(ids, n=n)) for each in both(rows)
        )
    np.testing.assert_array_equal(here.tokens, there.tokens)
    np.testing.assert_allclose(here.log_prob, there.log_prob, atol=1e-9)


def test_shares_at_the_ends_choose_what_may_come():
    values = torch.full((3, 1000), -torch.inf)
    values[:, 100:900] = torch.randn(3, 800)
    drawn = DeviceLogits(values).draw(Policy(top_k=50), np.array([0.0, 1 - 2**-53, 1.0]))
    assert (values.gather(1, torch.from_numpy(drawn.tokens)[:, None]) > -torch.inf).all()


@pytest.mark.parametrize(
    "wrong, what", [(math.nan, "not all finite"), (math.inf, "not all finite"), (-math.inf, "probability zero")]
)
def test_what_is_not_finite_is_refused(wrong, what):
    values = torch.zeros(2, 5)
    values[1] = wrong
    for ask in (lambda x: x.best(2), lambda x: x.draw(Policy(), np.zeros(2))):
        with pytest.raises(ModelError, match=what):
            ask(DeviceLogits(values))


class Elsewhere:
    """A model on a device, which returns its arguments."""

    on_device, logits_are_log_probs = True, False

    def step(self, tokens, lengths, state):
        return (tokens.tolist(), lengths.tolist()), state + 1

    def extend(self, tokens, lengths, state=None):
        raise AssertionError("logits are not fetched")


def test_a_model_on_a_device_is_called_there():
    assert step_of(Elsewhere())(np.array([5, 6]), 1) == (([[5], [6]], [1, 1]), 2)
