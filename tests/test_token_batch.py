"""Rows of tokens in their three forms, each helper against plain Python lists."""

from itertools import chain, pairwise, zip_longest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli import token_batch
from seqcli.text import BOS_ID, EOS_ID
from seqcli.token_batch import (
    TokenBatch,
    common_prefixes,
    count_rows,
    in_parts,
    of_like_length,
    owners,
    padded,
    padded_to_extend,
    places,
    row_sums,
    rows_of,
)

TOKENS = st.integers(3, 9)
ROWS = st.lists(st.lists(TOKENS, max_size=4), max_size=6)
FILLED = st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=6)
few = settings(deadline=None, max_examples=60)


def flat(rows):
    return list(chain.from_iterable(rows))


def lists(batch: TokenBatch) -> list[list[int]]:
    assert (batch.tokens.dtype, batch.lengths.dtype) == (np.int32, np.int64)
    assert len(batch.tokens) == batch.lengths.sum()
    return [row.tolist() for row in batch.rows]


@few
@given(ROWS)
def test_rows_come_back_from_every_form(rows):
    batch = TokenBatch.of(rows)
    assert lists(batch) == rows
    assert batch.starts.tolist() == [sum(map(len, rows[:b])) for b in range(len(rows))]
    assert lists(TokenBatch.one(batch.tokens)) == [flat(rows)]
    assert lists(TokenBatch.with_line_ends(batch.tokens, batch.lengths)) == [[*row, EOS_ID] for row in rows]
    stream, own = batch.with_starts()
    assert stream.tolist() == [token for row in rows for token in [BOS_ID, *row]] and stream.dtype == np.int32
    assert stream[own].tolist() == batch.tokens.tolist()
    assert lists(TokenBatch.of_stream(stream)) == rows
    table, lengths = padded_to_extend(rows)
    assert [row[:length].tolist() for row, length in zip(table, lengths)] == rows and table.dtype == np.int32


@few
@given(ROWS, st.lists(TOKENS, max_size=3))
def test_any_start_stands_before_every_row(rows, start):
    stream, own = TokenBatch.of(rows).with_starts(start)
    assert stream.tolist() == [token for row in rows for token in [*start, *row]]
    assert own.tolist() == [mine for row in rows for mine in [False] * len(start) + [True] * len(row)]


@few
@given(ROWS, st.randoms(use_true_random=False))
def test_some_rows(rows, random):
    batch = TokenBatch.of(rows)
    chosen = [random.random() < 0.5 for _ in rows]
    assert lists(batch.only(np.array(chosen, bool))) == [row for row, kept in zip(rows, chosen) if kept]
    numbers = [random.randrange(len(rows)) for _ in range(5)] if rows else []
    assert lists(batch.at(np.array(numbers, np.int64))) == [rows[number] for number in numbers]


@few
@given(st.lists(ROWS, max_size=4))
def test_batches_are_joined_row_after_row(batches):
    assert lists(TokenBatch.joined([TokenBatch.of(rows) for rows in batches])) == flat(batches)


@few
@given(st.lists(st.tuples(st.lists(TOKENS, max_size=3), st.lists(TOKENS, max_size=3)), max_size=5))
def test_rows_beside_each_other(pairs):
    left, right = (TokenBatch.of([pair[side] for pair in pairs]) for side in (0, 1))
    assert lists(left.beside(right)) == [one + other for one, other in pairs]
    common = [next((k for k, (a, b) in enumerate(zip_longest(*pair)) if a != b), len(pair[0])) for pair in pairs]
    assert common_prefixes(left, right).tolist() == common


@few
@given(st.lists(FILLED, max_size=4))
def test_rows_of_several_lines_are_grouped(groups):
    batch = TokenBatch.joined([TokenBatch.of(lines) for lines in groups])
    grouped = batch.grouped(np.array(list(map(len, groups)), np.int64))
    assert lists(grouped) == [flat(lines) for lines in groups]
    assert lists(grouped.without_last()) == [flat(lines)[:-1] for lines in groups]


@few
@given(st.lists(st.lists(st.floats(-9, 0, width=32), max_size=4), max_size=6))
def test_sums_owners_and_places_of_rows_that_may_be_empty(rows):
    lengths = np.array(list(map(len, rows)), np.int64)
    assert row_sums(np.array(flat(rows), np.float32), lengths) == pytest.approx([sum(row) for row in rows])
    assert owners(lengths).tolist() == [b for b, row in enumerate(rows) for _ in row]
    assert places(lengths).tolist() == [k for row in rows for k in range(len(row))]


@few
@given(FILLED, st.integers(1, 5))
def test_a_table_is_as_wide_as_the_longest_row_rounded_up(rows, round_to):
    table = padded([np.array(row) for row in rows], fill=-1, round_to=round_to)
    longest = max(map(len, rows))
    assert (
        table.shape[0] == len(rows)
        and longest <= table.shape[1] < longest + round_to
        and table.shape[1] % round_to == 0
    )
    assert table.tolist() == [row + [-1] * (table.shape[1] - len(row)) for row in rows]


def test_no_rows_make_an_empty_table():
    assert padded([], fill=0).shape == (0, 0)


@few
@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 30), st.integers(1, 12))
def test_rows_of_like_length_fill_a_budget_or_stand_alone(lengths, budget, most):
    groups = [group.tolist() for group in of_like_length(np.array(lengths, np.int64), budget=budget, most=most)]
    assert [row for group in groups for row in group] == sorted(range(len(lengths)), key=lambda row: lengths[row])
    for group in groups:
        width = max(lengths[row] for row in group) + 1
        assert len(group) == 1 or (len(group) * width <= budget and width <= most)
    for one, other in pairwise(groups):  # no group could have taken one row more
        width = lengths[other[0]] + 1
        assert (len(one) + 1) * width > budget or width > most


@few
@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 20), st.randoms(use_true_random=False))
def test_parts_hold_about_so_many_tokens_in_the_given_order(lengths, tokens, random):
    order = random.sample(range(len(lengths)), len(lengths))
    parts = in_parts(np.array(lengths, np.int64), order=np.array(order, np.int64), tokens=tokens)
    assert [row for part in parts for row in part.tolist()] == order and all(map(len, parts))
    assert all(sum(lengths[row] for row in part) <= tokens + max(lengths) for part in parts)


@few
@given(ROWS, st.integers(1, 4))
def test_a_stream_is_looked_through_piece_by_piece(rows, size):
    stream, _ = TokenBatch.of(rows).with_starts()
    before, token_batch._PIECE = token_batch._PIECE, size
    try:
        starts, lengths = rows_of(stream)
        assert count_rows(stream) == len(rows)
        assert flat(part.tolist() for _, part in token_batch.pieces(stream)) == stream.tolist()
    finally:
        token_batch._PIECE = before
    assert lengths.tolist() == list(map(len, rows))
    assert all(stream[start] == BOS_ID for start in starts)
