"""Co-occurrences against counting pair by pair."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcli.embeddings import cooccurrence
from seqcli.text import BOS_ID


@given(st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=5), st.integers(1, 4), st.integers(1, 9))
def test_pairs_are_weighted_by_their_distance(rows, window, part):
    stream = np.array([token for row in rows for token in [BOS_ID, *(word + 3 for word in row)]], np.int32)
    expected = Counter()
    for row in rows:
        for t, word in enumerate(row):
            for distance in range(1, min(window, t) + 1):
                expected[tuple(sorted((word, row[t - distance])))] += 1 / distance
    before, cooccurrence._TOKENS = cooccurrence._TOKENS, part
    try:
        found = cooccurrence.count(stream, size=5, window=window)
    finally:
        cooccurrence._TOKENS = before
    assert {(a, b): round(w, 5) for a, b, w in zip(*(side.tolist() for side in found))} == {
        pair: round(weight, 5) for pair, weight in expected.items()
    }
