"""Masked batches: the shares of Devlin et al. (2019), whole words, and the same batch for the same place."""

import numpy as np
import pytest

from seqcli.data.batches import NOT_COUNTED, Lines, Windows
from seqcli.data.masking import Masked, word_beginnings
from seqcli.text import PAD

V = 1000
RNG = np.random.default_rng(1)
STREAM = np.concatenate([np.append(1, RNG.integers(3, V, n)) for n in RNG.integers(2, 30, 800)]).astype(np.int32)


def masked(batches=None, **how) -> Masked:
    batches = batches or Lines(STREAM, batch_tokens=2048, seed=1)
    return Masked(batches, vocab_size=V, seed=1, **{"share": 0.15, **how})


def all_of(batches, epoch=0):
    return [batches.get(epoch, index) for index in range(batches.length(epoch))]


def test_shares_of_hidden_masked_changed_and_kept_tokens():
    original = all_of(Lines(STREAM, batch_tokens=2048, seed=1))
    hidden = kept = gone = tokens = 0
    for before, after in zip(original, all_of(masked()), strict=True):
        row = np.concatenate([before.inputs[:, :1], before.targets], axis=1)
        predicted = after.targets != NOT_COUNTED
        assert (after.targets[predicted] == row[predicted]).all() and not predicted[:, 0].any()
        assert (after.inputs[~predicted] == row[~predicted]).all()
        tokens += int((before.targets != NOT_COUNTED).sum())
        hidden += int(predicted.sum())
        gone += int((after.inputs[predicted] == V).sum())
        kept += int((after.inputs[predicted] == row[predicted]).sum())
        assert ((after.inputs >= 3) | (after.inputs == 1) | (after.inputs == PAD)).all()
    assert hidden / tokens == pytest.approx(0.15, abs=0.01)
    assert gone / hidden == pytest.approx(0.8, abs=0.03) and kept / hidden == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("batches", [Lines, Windows])
def test_the_same_place_gives_the_same_batch(batches):
    extra = {"width": 16} if batches is Windows else {}
    one, two = (masked(batches(STREAM, batch_tokens=512, seed=1, **extra)) for _ in range(2))
    two.get(0, 0)
    for mine, theirs in zip(one.get(2, 1), two.get(2, 1)):
        np.testing.assert_array_equal(mine, theirs)
    assert (
        (one.get(2, 1).inputs != one.get(3, 1).inputs).any()
        if one.get(2, 1).inputs.shape == one.get(3, 1).inputs.shape
        else True
    )


def test_whole_words_are_hidden_together():
    begins = np.arange(V) % 3 == 0
    for example in all_of(masked(begins=begins)):
        predicted = example.targets != NOT_COUNTED
        row = np.where(predicted, example.targets, example.inputs)
        inside = (row[:, 2:] != PAD) & ~begins[np.maximum(row[:, 2:], 0) % V]
        assert (predicted[:, 2:][inside] == predicted[:, 1:-1][inside]).all()


def test_hybrid_batches_are_causal_or_masked_and_predict_at_the_place_before():
    kinds = {"causal": 0, "masked": 0}
    original = all_of(Lines(STREAM, batch_tokens=256, seed=1))
    for before, after in zip(
        original, all_of(masked(Lines(STREAM, batch_tokens=256, seed=1), causal=0.5)), strict=True
    ):
        if not (after.inputs == V).any():
            kinds["causal"] += 1
            np.testing.assert_array_equal(before.inputs, after.inputs)
            np.testing.assert_array_equal(before.targets, after.targets)
            continue
        kinds["masked"] += 1
        predicted = after.targets != NOT_COUNTED
        assert (after.targets[:, :-1][predicted[:, :-1]] == before.targets[predicted[:, :-1]]).all()
        assert ((after.inputs[:, 1:] == V) <= predicted[:, :-1]).all()
    assert min(kinds.values()) > 0.3 * len(original)


def test_a_batch_of_one_token_predicts_it():
    batches = masked(Lines(np.array([1, 5], np.int32), batch_tokens=8, seed=1), share=0.0)
    example = batches.get(0, 0)
    assert example.masked and example.targets[0].tolist()[:2] == [-1, 5] and example.counted.tolist() == [1]


@pytest.mark.parametrize(
    "pieces, expected",
    [
        (["<unk>", "<s>", "</s>", "\u2581a", "b", "\u2581"], [True, True, True, True, False, True]),
        (["<unk>", "<s>", "</s>", "a", " ", "b"], [True, True, True, False, True, False]),
        (["<unk>", "<s>", "</s>", "a", "word"], [True] * 5),
    ],
)
def test_tokens_that_begin_words(pieces, expected):
    class Tokenizer:
        def vocabulary(self):
            return pieces

    assert word_beginnings(Tokenizer()).tolist() == expected
