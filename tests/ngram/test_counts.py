"""Counting by sorted keys against a dictionary, and the external path against the one in memory."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import InputError
from seqcli.ngram import merging, parts
from seqcli.ngram.arena import Arena
from seqcli.ngram.counts import count
from seqcli.ngram.merging import merged_runs
from seqcli.text import BOS_ID, EOS_ID, UNK_ID

VOCABULARY = 8
ROWS = st.lists(st.lists(st.sampled_from([UNK_ID, *range(3, VOCABULARY)]), max_size=8), min_size=1, max_size=12)


def stream_of(rows) -> np.ndarray:
    return np.array([token for row in rows for token in (BOS_ID, *row, EOS_ID)], np.int32)


def counted(stream, *, order, arena=None):
    return count(stream, vocab_size=VOCABULARY, order=order, arena=arena or Arena(memory=1 << 30, tokens=len(stream)))


def ngrams_of(levels) -> list[list[tuple]]:
    """The n-grams that the rows of every level stand for: a row is its prefix and its word."""
    ngrams = [[(id,) for id in range(len(levels[0]))]]
    for level in levels[1:]:
        prefixes = np.repeat(np.arange(len(ngrams[-1])), np.diff(level.children))
        ngrams.append([(*ngrams[-1][p], int(word)) for p, word in zip(prefixes, level.word, strict=True)])
    return ngrams


@settings(deadline=None)
@given(ROWS, st.integers(1, 6))
def test_counts_are_those_of_a_dictionary(rows, order):
    slow = [Counter() for _ in range(order)]
    for row in rows:
        tokens = (BOS_ID, *row, EOS_ID)
        for n in range(1, order + 1):
            slow[n - 1].update(tokens[end - n : end] for end in range(max(n, 2), len(tokens) + 1))
    levels = counted(stream_of(rows), order=order)
    ngrams = ngrams_of(levels)
    assert {(id,): int(n) for id, n in enumerate(levels[0].count) if n} == slow[0]
    for n in range(2, order + 1):
        level = levels[n - 1]
        assert dict(zip(ngrams[n - 1], level.count.tolist(), strict=True)) == slow[n - 1]
        assert len(level) == len(slow[n - 1])
        for row, suffix in enumerate(level.suffix):
            assert ngrams[n - 2][suffix] == ngrams[n - 1][row][1:]
        for begin, end in zip(level.children, level.children[1:], strict=False):
            assert (np.diff(level.word[begin:end].astype(int)) > 0).all()  # the words of one prefix ascend


def test_the_example_of_the_docstring():
    level = counted(stream_of([[3, 4, 3, 4, 5]]), order=2)[1]
    assert [(*k, int(c)) for k, c in zip(ngrams_of([np.zeros(VOCABULARY), level])[1], level.count, strict=True)] == [
        (1, 3, 1), (3, 4, 2), (4, 3, 1), (4, 5, 1), (5, 2, 1)
    ]  # fmt: skip


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        for name in ("word", "count", "suffix", "children"):
            mine, its = getattr(a, name), getattr(b, name)
            assert (mine is None and its is None) or (mine.dtype == its.dtype and np.array_equal(mine, its)), name


@settings(deadline=None, max_examples=30)
@given(ROWS, st.integers(1, 5), st.integers(1, 20), st.integers(1, 20))
def test_the_size_of_chunks_changes_nothing(rows, order, chunk, rows_at_once):
    stream = stream_of(rows)
    arena = Arena(memory=0, tokens=len(stream))
    arena.chunk, arena.runs, arena.rows = chunk, chunk, rows_at_once
    assert_same(counted(stream, order=order, arena=arena), counted(stream, order=order))


def test_many_tokens_in_tiny_memory(tmp_path):
    draw = np.random.default_rng(1)
    stream = stream_of(draw.integers(3, VOCABULARY, size=(3000, 5)).tolist())
    arena = Arena(memory=1 << 16, tokens=len(stream), folder=tmp_path)
    assert arena.chunk < len(stream)
    assert_same(counted(stream, order=4, arena=arena), counted(stream, order=4))
    assert not list(tmp_path.iterdir())


def test_an_arena_outside_memory_keeps_its_arrays_and_leaves_no_file(tmp_path):
    arena = Arena(memory=0, tokens=100, folder=tmp_path)
    seven, eight = arena.full(10, 7, np.int64), arena.full(10, 8, np.int64)
    del eight
    arena.rest()
    assert (seven == 7).all() and not list(tmp_path.iterdir())


def test_an_arena_allocates_in_memory_until_its_limit(tmp_path):
    def is_mapped(array: np.ndarray) -> bool:
        return not array.flags.owndata

    arena = Arena(memory=8000, tokens=0, folder=tmp_path)
    first, second = arena.empty(600, np.int64), arena.empty(600, np.int64)
    assert not is_mapped(first) and is_mapped(second)  # 4,800 of 8,000 bytes are in use
    del first
    assert not is_mapped(arena.empty(600, np.int64))


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_an_array_that_is_shrunk_keeps_its_beginning(tmp_path, memory):
    arena = Arena(memory=memory, tokens=0, folder=tmp_path)
    assert arena.shrunk(np.arange(5000), 700).tolist() == list(range(700))
    assert arena.shrunk(np.arange(5), 0).tolist() == []


@given(st.lists(st.dictionaries(st.integers(0, 50), st.integers(1, 9)), max_size=5), st.integers(1, 20))
def test_merging_adds_what_is_alike(runs, rows):
    arrays = [
        tuple(np.array(column, dtype) for column, dtype in zip(columns, (np.uint64, np.int64, np.int32), strict=True))
        for columns in (
            [sorted(run), [run[key] for key in sorted(run)], [key * 3 for key in sorted(run)]] for run in runs
        )
    ]
    made = [tuple(column.tolist() for column in part) for part in merged_runs(arrays, rows)]
    keys, counts, suffixes = ([value for part in made for value in part[k]] for k in range(3))
    together = sum((Counter(run) for run in runs), Counter())
    assert keys == sorted(together) and counts == [together[key] for key in keys]
    assert suffixes == [key * 3 for key in keys]


def test_keys_that_do_not_fit_64_bits_are_refused_with_the_cure():
    assert merging._word_bits(3, prefixes=2**34, vocab_size=2**30) == 30
    with pytest.raises(InputError, match=r"too many 3-grams.*lower --order"):
        merging._word_bits(3, prefixes=2**34 + 1, vocab_size=2**30)


def test_parts_and_threads_change_nothing(monkeypatch):
    """Parts so small that frequent words are divided by their second words."""
    draw = np.random.default_rng(4)
    stream = stream_of([(3 + draw.zipf(1.5, 20).clip(0, 4)).tolist() for _ in range(500)])
    whole = counted(stream, order=5)
    monkeypatch.setattr(parts, "_PART", 50)
    monkeypatch.setattr(parts, "_BLOCK", 300)
    for workers in (1, 3):
        arena = Arena(memory=1 << 30, tokens=len(stream))
        assert len(parts.Parts(stream, vocab_size=VOCABULARY, workers=workers).edges) > VOCABULARY
        assert_same(count(stream, vocab_size=VOCABULARY, order=5, arena=arena, workers=workers), whole)


@settings(deadline=None, max_examples=30)
@given(st.lists(ROWS, min_size=1, max_size=4), st.integers(1, 5), st.randoms())
def test_counts_of_parts_with_their_own_ids_merge_to_those_of_the_whole(texts, order, random):
    """Two words may have become one, as rare words do."""
    known = [*range(3), *(random.sample(range(3, 7), 4)), 6]
    levels, ids = [], []
    for rows in texts:
        own = [*range(3), *random.sample(range(3, VOCABULARY), VOCABULARY - 3)]
        ids.append(np.array(known)[np.argsort(own)])
        levels.append(counted(np.array(own, np.int32)[stream_of(rows)], order=order))
    whole = np.concatenate([np.array(known, np.int32)[stream_of(rows)] for rows in texts])
    arena = Arena(memory=1 << 30, tokens=len(whole))
    # own[id] is the part's id of a word, ids[k][own[id]] the merged one
    assert_same(
        merging.merged_levels(levels, vocab_size=VOCABULARY, words=ids, arena=arena), counted(whole, order=order)
    )
