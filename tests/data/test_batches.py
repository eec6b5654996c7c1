"""Batches: every token once an epoch, the same for the same (seed, epoch, index)."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.data.batches import NOT_COUNTED, Lanes, Lines, Windows

ROWS = st.lists(st.lists(st.integers(2, 30), max_size=9), min_size=1, max_size=40).filter(any)


def stream_of(rows):
    return np.array([token for row in rows for token in (1, *row)], np.int32)


@settings(deadline=None)
@given(ROWS, st.integers(8, 100), st.none() | st.integers(1, 6))
def test_lines_hold_every_token_once_an_epoch(rows, budget, longest):
    batches = Lines(stream_of(rows), batch_tokens=budget, seed=1, longest=longest)
    for epoch in (0, 1):
        examples = [batches.get(epoch, i) for i in range(batches.length(epoch))]
        seen = Counter(t for e in examples for t in e.targets[e.targets != NOT_COUNTED].tolist())
        assert seen == Counter(t for row in rows for t in row)
        for example in examples:
            counted = example.targets != NOT_COUNTED
            assert (example.inputs[:, 1:][counted[:, 1:]] == example.targets[:, :-1][counted[:, 1:]]).all()
            assert len(example.inputs) == 1 or example.inputs.size <= max(budget, 8)


def test_lanes_read_on_where_they_stopped():
    stream = np.arange(1000, dtype=np.int32) + 5
    batches = Lanes(stream, width=10, batch_tokens=40, seed=0)
    for epoch in (0, 1):
        examples = [batches.get(epoch, i) for i in range(batches.length(epoch))]
        assert [e.carries for e in examples] == [False] + [True] * (len(examples) - 1)
        for before, after in itertools.pairwise(examples):
            assert (before.targets[:, -1] == after.inputs[:, 0]).all()
        assert len(np.unique(np.concatenate([e.targets for e in examples]))) >= 950


@pytest.mark.parametrize("kind", [Lanes, Windows])
def test_the_same_place_gives_the_same_batch(kind):
    stream = np.random.default_rng(0).integers(2, 50, 500).astype(np.int32)
    one, two = (kind(stream, width=16, batch_tokens=64, seed=7) for _ in range(2))
    two.get(0, 0)
    for place in ((3, 1), (0, 2)):
        assert (one.get(*place).inputs == two.get(*place).inputs).all()
    assert (one.get(0, 0).inputs != one.get(1, 0).inputs).any()
