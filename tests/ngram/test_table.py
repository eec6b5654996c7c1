"""The table: a lookup is exact, a row's scores are its own, and the arrays that make a table are checked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import ModelError
from seqcli.ngram import counts, kneser_ney, table
from seqcli.ngram.arena import Arena
from seqcli.ngram.table import Table
from seqcli.text import BOS_ID, EOS_ID, UNK_ID

V = 9
ROWS = st.lists(st.lists(st.sampled_from([UNK_ID, *range(3, V)]), max_size=9), min_size=1, max_size=8)
ORDERS = st.integers(1, 6)


def stream_of(rows) -> np.ndarray:
    return np.array([token for row in rows for token in (BOS_ID, *row, EOS_ID)], np.int32)


def trained(rows, *, order, prune=()) -> Table:
    stream = stream_of(rows)
    arena = Arena(memory=1 << 30, tokens=len(stream))
    levels = counts.count(stream, vocab_size=V, order=order, arena=arena)
    return kneser_ney.smooth(levels, arena=arena, prune=prune).table


@settings(deadline=None)
@given(ROWS, ROWS, ORDERS, st.integers(1, 30))
def test_chunks_of_any_size_give_the_same_scores(rows, others, order, size):
    model, stream = trained(rows, order=order), stream_of(rows + others)
    log_prob, matched = model.score(stream)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_CHUNK", size)
        in_chunks = model.score(stream)
    assert np.array_equal(in_chunks[0], log_prob) and np.array_equal(in_chunks[1], matched)


@settings(deadline=None)
@given(ROWS, ROWS, ORDERS)
def test_a_row_is_scored_as_if_it_were_alone(rows, others, order):
    model = trained(rows, order=order)
    together = model.score(stream_of(others))
    alone = [model.score(stream_of([row])) for row in others]
    for k in range(2):
        assert np.array_equal(together[k], np.concatenate([scores[k] for scores in alone]))


@settings(deadline=None)
@given(ROWS, st.lists(st.sampled_from([UNK_ID, *range(2, V)]), max_size=8), ORDERS, st.booleans())
def test_the_distribution_is_the_score_of_every_word(rows, history, order, pruned):
    model = trained(rows, order=order, prune=(0, 1) if pruned else ())
    words = np.delete(np.arange(V, dtype=np.int32), BOS_ID)
    stream = np.concatenate([[BOS_ID, *history, word] for word in words]).astype(np.int32)
    log_prob = model.score(stream)[0].reshape(len(words), -1)[:, -1]
    p = model.distribution(np.array([BOS_ID, *history]))
    np.testing.assert_allclose(p[words], np.exp(log_prob.astype(float)), rtol=2e-6)
    assert p.shape == (V,) and p.dtype == np.float64 and p[BOS_ID] == 0


def test_a_history_need_not_begin_a_row():
    model = trained([[3, 4, 5], [3, 4, 6]], order=3)
    from_anywhere = model.distribution(np.array([3, 4]))
    assert from_anywhere.sum() == pytest.approx(1, abs=1e-6)
    assert np.array_equal(from_anywhere, model.distribution(np.array([BOS_ID, 7, 3, 4])))
    assert model.distribution(np.array([], int)).sum() == pytest.approx(1, abs=1e-6)


@settings(deadline=None)
@given(ROWS, st.integers(2, 6))
def test_find_finds_all_rows_and_nothing_else(rows, order):
    model = trained(rows, order=order)
    for n in range(2, order + 1):
        prefix, word = (
            grid.ravel() for grid in np.meshgrid(np.arange(model.sizes[n - 2]), np.arange(V), indexing="ij")
        )
        found = model.find(n, prefix, word.astype(np.uint32))
        assert found[found >= 0].tolist() == list(range(model.sizes[n - 1]))  # every row once, in order
        for p, w, row in zip(prefix, word, found, strict=True):
            begin, end = model.children[n - 2][p : p + 2]
            assert (
                model.words[n - 1][row] == w and begin <= row < end
                if row >= 0
                else w not in model.words[n - 1][begin:end]
            )


def test_nothing_to_score():
    log_prob, matched = trained([[3]], order=3).score(np.zeros(0, np.int32))
    assert log_prob.shape == matched.shape == (0,) and log_prob.dtype == np.float32 and matched.dtype == np.int8


@settings(deadline=None, max_examples=30)
@given(ROWS, ORDERS, st.booleans())
def test_its_tensors_are_the_table(rows, order, pruned):
    model = trained(rows, order=order, prune=(0, 1) if pruned else ())
    again = Table.from_tensors(model.tensors(), order=order, vocab_size=V)
    assert again.sizes == model.sizes
    for mine, its in zip(again.score(stream_of(rows)), model.score(stream_of(rows)), strict=True):
        assert np.array_equal(mine, its)


@pytest.mark.parametrize("name", list(trained([[3, 4, 3]], order=3).tensors()))
@pytest.mark.parametrize(
    "change", [None, lambda a: a[:-1], lambda a: a[None], lambda a: a.astype(np.complex64), lambda a: a[:0]],
    ids=["absent", "shorter", "of two axes", "of another type", "empty"],
)  # fmt: skip
def test_arrays_that_do_not_make_a_table_are_a_damaged_model(name, change):
    tensors = trained([[3, 4, 3]], order=3).tensors()
    tensors[name] = change(tensors[name]) if change else None
    if change is None:
        del tensors[name]
    with pytest.raises(ModelError, match="damaged n-gram table"):
        Table.from_tensors(tensors, order=3, vocab_size=V)


def test_a_table_of_another_vocabulary_or_order_is_refused():
    tensors = trained([[3, 4, 3]], order=3).tensors()
    for order, vocab_size in ((4, V), (3, V + 1)):
        with pytest.raises(ModelError, match="damaged n-gram table"):
            Table.from_tensors(tensors, order=order, vocab_size=vocab_size)
