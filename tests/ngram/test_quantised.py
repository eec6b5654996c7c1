"""Tables in 8 bits against the tables that they were made from, and codebooks against theory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import InputError, ModelError
from seqcli.ngram import counts, kneser_ney, quantised
from seqcli.ngram.arena import Arena
from seqcli.ngram.quantised import Coded, Pointers, QuantisedTable
from seqcli.ngram.table import Table
from seqcli.text import BOS_ID, EOS_ID, UNK_ID

V = 9
ROWS = st.lists(st.lists(st.sampled_from([UNK_ID, *range(3, V)]), max_size=9), min_size=1, max_size=8)
ARENA = Arena(memory=1 << 30, tokens=1000)


def stream_of(rows) -> np.ndarray:
    return np.array([token for row in rows for token in (BOS_ID, *row, EOS_ID)], np.int32)


def trained(stream, *, order, prune=(), vocab_size=V) -> Table:
    levels = counts.count(stream, vocab_size=vocab_size, order=order, arena=ARENA)
    return kneser_ney.smooth(levels, arena=ARENA, prune=prune).table


def large() -> tuple[Table, np.ndarray]:
    """A table with more values than codes, and rows with many children; and another text to score."""
    draw = np.random.default_rng(1)
    streams = [
        stream_of([draw.zipf(1.3, 12).clip(3, 1999).tolist() for _ in range(rows)]) for rows in (3000, 300)
    ]  # fmt: skip
    return trained(streams[0], order=4, vocab_size=2000), streams[1]


@settings(deadline=None)
@given(ROWS, ROWS, st.integers(1, 6), st.booleans())
def test_a_table_with_few_values_scores_as_before(rows, others, order, pruned):
    table = trained(stream_of(rows), order=order, prune=(0, 1) if pruned else ())
    small = quantised.quantised(table, arena=ARENA)
    for mine, its in zip(small.score(stream_of(others)), table.score(stream_of(others)), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-3)
    assert small.sizes == table.sizes
    contexts = np.array([[BOS_ID, 3, 4], [-1, 5, 6]])
    np.testing.assert_allclose(small.log_distributions(contexts), table.log_distributions(contexts), rtol=1e-3)


def test_the_perplexity_and_the_matched_lengths_stay():
    table, stream = large()
    small = quantised.quantised(table, arena=ARENA)
    (log_prob, order), (quantised_log_prob, quantised_order) = table.score(stream), small.score(stream)
    assert np.array_equal(order, quantised_order)
    kept = stream != BOS_ID
    assert np.exp(abs(log_prob[kept].mean() - quantised_log_prob[kept].mean())) < 1.005
    assert sum(array.nbytes for array in small.tensors().values()) < 6 * sum(small.sizes) + 1024 * 9


def test_the_pieces_that_a_table_is_read_in_change_nothing():
    table, _ = large()
    at_once = quantised.quantised(table, arena=ARENA).tensors()
    arena = Arena(memory=0, tokens=1)
    arena.rows = 100
    for name, array in quantised.quantised(table, arena=arena).tensors().items():
        assert array.dtype == at_once[name].dtype and np.array_equal(array, at_once[name]), name


def test_few_values_are_coded_as_many_are(monkeypatch):
    table = trained(stream_of([[3, 4, 3], [5, 5, 6, 3]]), order=3)
    few = quantised.quantised(table, arena=ARENA).tensors()
    monkeypatch.setattr(quantised, "_FEW", 0)
    for name, array in quantised.quantised(table, arena=ARENA).tensors().items():
        assert array.dtype == few[name].dtype and np.array_equal(array, few[name]), name


@given(st.lists(st.sampled_from([0, 1, 3, 40, 300, 1 << 20, 1 << 30]), min_size=1, max_size=200), st.data())
def test_pointers_are_the_numbers_they_were_made_from(steps, data):
    numbers = np.cumsum([0, *steps])
    pointers = quantised._pointers(numbers, ARENA)
    assert np.array_equal(np.asarray(pointers), numbers) and len(pointers) == len(numbers)
    rows = np.array(data.draw(st.lists(st.integers(0, len(steps)))), np.int64)
    assert np.array_equal(pointers[rows], numbers[rows])
    row = data.draw(st.integers(0, len(steps) - 1))
    assert pointers[row] == numbers[row] and np.array_equal(pointers[row : row + 2], numbers[row : row + 2])


def test_a_codebook_is_as_good_as_theory_allows():
    """Panter and Dite (1951): the least squared error of N levels for a normal variable is pi sqrt(3) / 2 / N^2."""
    values = np.random.default_rng(2).normal(-10, 1, 200_000).astype(np.float32)
    error = np.asarray(quantised._coded(values, ARENA)) - values
    assert np.mean(error.astype(float) ** 2) < 1.05 * np.pi * np.sqrt(3) / 2 / 256**2


def test_0_and_minus_infinity_are_exact():
    values = np.append(np.random.default_rng(3).normal(-1, 1, 5000), [0, -0.0, -np.inf, 0]).astype(np.float32)
    coded = quantised._coded(values, ARENA)
    assert coded[len(values) - 4 :].tolist() == [0, 0, -np.inf, 0]
    np.testing.assert_allclose(coded[: len(values) - 4], values[:-4], atol=0.1)


SMALL = quantised.quantised(trained(stream_of([[3, 4, 3]]), order=3), arena=ARENA).tensors()


@pytest.mark.parametrize("name", list(SMALL))
@pytest.mark.parametrize(
    "change", [None, lambda a: a[None], lambda a: a.astype(np.complex64), lambda a: np.append(a, a[-1:])],
    ids=["absent", "of two axes", "of another type", "longer"],
)  # fmt: skip
def test_arrays_that_do_not_make_a_table_are_a_damaged_model(name, change):
    tensors = dict(SMALL)
    assert len(QuantisedTable.from_tensors(tensors, order=3, vocab_size=V).sizes) == 3
    if change is None:
        del tensors[name]
    elif name.endswith("far") and not len(tensors[name]) and len(change(tensors[name])) == 0:
        pytest.skip("nothing to change")
    else:
        tensors[name] = change(tensors[name])
    with pytest.raises(ModelError, match="damaged n-gram table"):
        QuantisedTable.from_tensors(tensors, order=3, vocab_size=V)


def test_a_vocabulary_that_does_not_fit_is_refused_with_the_cure(monkeypatch):
    monkeypatch.setattr(quantised, "LARGEST_VOCABULARY", V - 1)
    with pytest.raises(InputError, match=r"too large to quantize.*--vocab-size"):
        quantised.quantised(trained(stream_of([[3]]), order=2), arena=ARENA)


def test_columns_are_indexed_as_arrays_are():
    column = Coded(np.array([2, 0, 1], np.uint8), np.array([5, 6, 7], np.float32))
    assert column[1] == 5 and column[1:].tolist() == [5, 6] and np.asarray(column).tolist() == [7, 5, 6]
    pointers = Pointers(np.array([7], np.uint32), np.array([0, 1, 3], np.uint8), np.zeros(0, np.uint32))
    assert pointers[2] == 10 and pointers[1:].tolist() == [8, 10]
