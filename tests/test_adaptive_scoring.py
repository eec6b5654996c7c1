"""The unigram cache, against counting."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.adaptive_scoring import Cache, UnigramCache
from seqcli.interfaces import Scores
from seqcli.token_batch import TokenBatch


class Uniform:
    """A model of ten tokens."""

    precision = "fp32"

    def score(self, batch, *, context=None, rank=False):
        return Scores(np.full(len(batch.tokens), -math.log(10), np.float32))


@given(
    st.lists(st.lists(st.integers(2, 5), max_size=6), max_size=6), st.integers(1, 7), st.integers(0, 6), st.booleans()
)
def test_shares_are_counted_in_the_window(rows, window, cut, apart):
    model = UnigramCache(Uniform(), Cache(weight=0.25, window=window), apart=apart)
    parts = [TokenBatch.of(part) for part in (rows[:cut], rows[cut:])]
    scores = np.concatenate([model.score(part).log_prob for part in parts])
    expected, before = [], []
    for row in rows:
        before = [] if apart else before
        for token in row:
            seen = before[-window:]
            p = 0.75 / 10 + 0.25 * Counter(seen)[token] / len(seen) if seen else 1 / 10
            expected.append(math.log(p))
            before = [*before, token]
    assert scores.tolist() == pytest.approx(expected, abs=1e-6)
