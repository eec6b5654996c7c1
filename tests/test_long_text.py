"""The best choices from several lists, against all choices."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seqcli.long_text import best_combinations

SCORES = st.lists(st.integers(-9, 0), min_size=1, max_size=5).map(lambda scores: sorted(scores, reverse=True))


@given(st.lists(SCORES, max_size=4), st.integers(1, 9))
def test_the_best_are_those_of_all_choices(scores, n):
    lists = [[(score, (k, place)) for place, score in enumerate(each)] for k, each in enumerate(scores)]
    found = best_combinations(lists, n=n)
    every = sorted((sum(score for score, _ in chosen) for chosen in itertools.product(*lists)), reverse=True)
    assert [score for score, _ in found] == every[:n]
    assert len({entries for _, entries in found}) == len(found)
    assert all(score == sum(scores[k][place] for k, place in entries) for score, entries in found)
