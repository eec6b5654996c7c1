"""The steps of skip-gram and CBOW against finite differences of their losses, written out pair by pair in float64."""

import numpy as np
import pytest
import torch

from seqcli.nn import negative_sampling as sampling
from seqcli.token_batch import TokenBatch

V, D, WINDOW, NEGATIVES, SHARED = 9, 4, 2, 3, 5
TEXT = np.array([0, 1, 2, 3, 1, 4, 5, 6, 7, 8, 2, 0])
ROW = np.array([0] * 7 + [1] * 5)


def tables(rows: TokenBatch | None = None):
    rng = np.random.default_rng(3)
    rows = rows or TokenBatch(np.arange(V, dtype=np.int32), np.ones(V, np.int64))
    inputs = rng.normal(size=(int(rows.tokens.max()) + 1, D)).astype(np.float32)
    outputs = rng.normal(size=(V, D)).astype(np.float32)
    return sampling.Tables(torch.from_numpy(inputs), torch.from_numpy(outputs), rows)


def one_step() -> sampling.Step:
    drawing = sampling.Sampling.of(np.arange(1, V + 1), window=WINDOW, negatives=NEGATIVES, subsample=0)
    (step,) = sampling.steps(TEXT, ROW, drawing, np.random.default_rng(1), chunk=8, shared=SHARED)
    return step


def log_sigmoid(x: float) -> float:
    return -float(np.logaddexp(0, -x))


def loss_of(vectors: np.ndarray, outputs: np.ndarray, step: sampling.Step, arch: str) -> float:
    """The sum that the step goes down, over every word of every chunk."""
    total, share = 0.0, NEGATIVES / SHARED
    for chunk, pairs, negatives in zip(step.words, step.pairs, step.negatives):
        for t, contexts in enumerate(pairs):
            around, center = chunk[contexts], chunk[t + WINDOW]
            if not len(around):
                continue
            if arch == "skipgram":
                hidden, targets, count = vectors[center], around, len(around)
            else:
                hidden, targets, count = vectors[around].mean(axis=0), [center], 1
            total -= sum(log_sigmoid(hidden @ outputs[target]) for target in targets)
            total -= count * share * sum(log_sigmoid(-hidden @ outputs[n]) for n in negatives)
    return total


def slope(function, array: np.ndarray) -> np.ndarray:
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        near = array.copy()
        near[place] += 1e-5
        above = function(near)
        near[place] -= 2e-5
        found[place] = (above - function(near)) / 2e-5
    return found


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
def test_a_step_goes_down_the_gradient_of_the_loss(arch):
    learnt, step, rate = tables(), one_step(), 1e-3
    vectors, outputs = (table.numpy().astype(np.float64) for table in (learnt.inputs, learnt.outputs))
    loss, _ = getattr(sampling, arch)(learnt, step, rate=rate, negatives=NEGATIVES)
    assert loss == pytest.approx(loss_of(vectors, outputs, step, arch), rel=1e-5)
    moved = (learnt.outputs.numpy() - outputs) / -rate
    np.testing.assert_allclose(moved, slope(lambda x: loss_of(vectors, x, step, arch), outputs), rtol=1e-3, atol=1e-2)
    if arch == "skipgram":  # of CBOW each context moves by all of the mean's change
        moved = (learnt.inputs.numpy() - vectors) / -rate
        np.testing.assert_allclose(
            moved, slope(lambda x: loss_of(x, outputs, step, arch), vectors), rtol=1e-3, atol=1e-2
        )


def test_every_row_of_a_word_moves_by_all_of_its_change():
    rows = TokenBatch.of([np.array([i, V + i % 2, V + 2]) for i in range(V)])
    plain, shared = tables(), tables(rows)
    means = np.stack([shared.inputs.numpy()[row].mean(axis=0) for row in rows.rows])
    plain.inputs[:], plain.outputs[:] = torch.from_numpy(means), shared.outputs
    before, step = shared.inputs.clone(), one_step()
    for each in (plain, shared):
        sampling.skipgram(each, step, rate=0.01, negatives=NEGATIVES)
    of_words = plain.inputs.numpy() - means
    moved = (shared.inputs - before).numpy()
    np.testing.assert_allclose(moved[:V], of_words, atol=1e-5)
    np.testing.assert_allclose(moved[V + 2], of_words.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(moved[V + 1], of_words[1::2].sum(axis=0), atol=1e-5)


def test_pairs_are_those_of_a_window_within_a_row():
    drawing = sampling.Sampling.of(np.ones(V), window=1, negatives=1, subsample=0)
    found = set()
    for step in sampling.steps(TEXT, ROW, drawing, np.random.default_rng(0), chunk=4, together=2):
        for chunk, pairs in zip(step.words, step.pairs):
            found |= {(chunk[t + 1], other) for t, contexts in enumerate(pairs) for other in chunk[contexts]}
    neighbours = {(a, b) for a, b, same in zip(TEXT, TEXT[1:], ROW[1:] == ROW[:-1]) if same}
    assert found == neighbours | {(b, a) for a, b in neighbours}


def test_frequent_words_are_thinned_out_as_often_as_fasttext_does():
    counts = np.array([1000, 10, 1])
    keep = sampling.Sampling.of(counts, window=1, negatives=1, subsample=1e-2).keep
    share = counts / counts.sum()
    np.testing.assert_allclose(keep, np.minimum(1, np.sqrt(1e-2 / share) + 1e-2 / share))
