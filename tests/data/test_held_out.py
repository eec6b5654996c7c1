"""Held-out rows: exact totals, every label in its share, and no text on both sides."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.held_out import by_group, by_label, keys_of_rows, keys_of_texts, largest_remainders

WORDS = st.sampled_from(["a", "b", "c a", "e f g", "ü", "나 는", ""])


def rng(seed=0):
    return np.random.default_rng(seed)


def keys(lines):
    return keys_of_texts(["".join(f"{line}\n" for line in lines).encode()])


@pytest.mark.parametrize(
    "one, other, equal",
    [
        ("Good film", "good  film ", True), ("straße", "STRASSE", True), ("ﬁne", "fine", True), ("e\u0301t", "ét", True),
        ("a\u00a0b", "a b", True), ("a b", "ab", False), ("a b", "b a", False), ("a", "a a", False), ("", "a", False),
        ("a b c d", "a b d c", False), ("x" * 600, "x" * 601, False),
    ],
)  # fmt: skip
def test_case_white_space_and_compatibility_forms_do_not_count(one, other, equal):
    first, second = keys([one, other])
    assert (first == second) == equal


@given(st.lists(WORDS, max_size=30))
def test_texts_have_one_key_exactly_where_they_are_equal(lines):
    found = keys(lines).tolist()
    assert len(found) == len(lines) and len({*zip(lines, found)}) == len({*lines}) == len({*found})


@given(st.lists(st.lists(st.integers(2, 5), max_size=4), max_size=40))
def test_rows_have_one_key_exactly_where_their_tokens_are_equal(rows):
    stream = np.array([token for row in rows for token in (1, *row)], np.int32)
    found = keys_of_rows(stream).tolist()
    assert len({*zip(map(tuple, rows), found)}) == len({*map(tuple, rows)}) == len({*found})


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 60), st.integers(0, 9))
def test_largest_remainders_by_definition(weights, count, seed):
    """Each gets its exact share rounded down or up; who is rounded up lost no more than who is not."""
    weights = np.array(weights)
    count = min(count, int(weights.sum()))
    seats = largest_remainders(weights, count, most=weights, rng=rng(seed))
    exact = weights * (count / max(weights.sum(), 1))
    assert seats.sum() == count and (seats >= np.floor(exact - 1e-9)).all() and (seats <= np.ceil(exact + 1e-9)).all()
    up, down = exact[seats > exact + 1e-9] % 1, exact[seats < exact - 1e-9] % 1
    assert not len(up) or not len(down) or up.min() >= down.max() - 1e-9


def test_largest_remainders_go_to_others_where_a_label_is_exhausted():
    assert largest_remainders(np.array([50, 1, 1]), 5, most=np.array([3, 0, 1]), rng=rng()).tolist() == [3, 0, 1]


@pytest.mark.parametrize("labels, texts, count", [(200, 5, 100), (50, 5, 25), (3, 7, 2), (2, 1000, 200)])
def test_distinct_texts_are_held_out_in_exact_number(labels, texts, count):
    targets = rng(1).permutation(np.repeat(np.arange(labels, dtype=np.int32), texts))
    for seed in range(3):
        chosen = by_label(np.arange(len(targets)), targets, count, rng(seed))
        per_label = np.bincount(targets[chosen], minlength=labels)
        assert chosen.sum() == count and np.ptp(per_label) <= 1


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 9))
def test_equal_texts_are_on_one_side_and_no_label_is_lost(rows, seed):
    groups, targets = np.array([g for g, _ in rows]), np.array([t for _, t in rows], np.int32)
    count = max(1, len(rows) // 5)
    chosen = by_label(groups, targets, count, rng(seed))
    assert not {*groups[chosen]} & {*groups[~chosen]}
    assert {*targets[~chosen]} == {*targets}
    sizes = Counter(groups.tolist())
    assert chosen.sum() <= max(count, *sizes.values())
    assert np.array_equal(chosen, by_label(groups, targets, count, rng(seed)))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(1, 20), st.integers(0, 9))
def test_groups_fill_what_is_asked_for(groups, count, seed):
    """No group that is left would still fit; a single group is never held out."""
    groups = np.array(groups)
    count = min(count, max(len(groups) // 2, 1))
    chosen, sizes = by_group(groups, count, rng(seed)), Counter(groups.tolist())
    assert not {*groups[chosen]} & {*groups[~chosen]}
    assert chosen.any() == (len(sizes) > 1) and not chosen.all()
    if 0 < chosen.sum() <= count:
        assert all(size > count - chosen.sum() for group, size in sizes.items() if group in groups[~chosen])
