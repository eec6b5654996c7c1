"""The unigram model against its definition, token by token."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.metrics import unigram

TOKENS = st.lists(st.integers(0, 5), max_size=50)


@given(TOKENS, TOKENS)
def test_cross_entropy_is_the_mean_over_the_held_out_tokens(learnt, judged):
    counts = [unigram.counts(np.array(tokens, np.int32), 6) for tokens in (learnt, judged)]
    learnt, judged = ([token for token in tokens if token != 1] for tokens in (learnt, judged))
    losses = [-math.log((learnt.count(token) + 1) / (len(learnt) + 5)) for token in judged]
    assert unigram.cross_entropy(*counts) == pytest.approx(sum(losses) / max(len(losses), 1), abs=1e-12)


def test_untrained_it_is_uniform():
    judged = np.array([4, 0, 3, 3])
    assert unigram.cross_entropy(np.zeros(4), judged) == pytest.approx(unigram.uniform(4)) == pytest.approx(math.log(3))
