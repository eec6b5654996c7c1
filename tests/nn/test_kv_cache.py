"""Keys and values of hypotheses that share space, against reading every hypothesis from its beginning."""

import numpy as np
import pytest
import torch

from seqcli.decoding import beam
from seqcli.decoding.logits import log_softmax
from seqcli.models import transformer_translator
from seqcli.nn import kv_cache
from seqcli.nn.kv_cache import KVCache, SharedKVCache
from seqcli.token_batch import TokenBatch

V = 40


@pytest.fixture(scope="module", params=["rotary", "sinusoidal"])
def model(request):
    torch.manual_seed(0)
    config = transformer_translator.Config(width=16, layers=2, heads=2, positions=request.param, scaled=True)
    made = transformer_translator.build(config, source_size=V, vocab_size=V, joint=True)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made.eval()


def sources(rows, rng):
    return TokenBatch.of([np.append(rng.integers(3, V, rng.integers(1, 9)), 2).astype(np.int32) for _ in range(rows)])


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_rows_gives_what_is_read_from_the_beginning(model, seed):
    """Rows are reordered within their group (the step of a beam), groups leave, and now and then no groups are left."""
    rng = np.random.default_rng(seed)
    conditioned = model.conditioned_on(model.encode(sources(5, rng)))
    source, said = np.arange(5), np.zeros((5, 0), np.int32)
    _, state = conditioned.extend(said, np.zeros(5, np.int64))
    kinds = set()
    for step in range(90):
        if step == 60:  # any rows
            rows = rng.integers(0, len(source), 7)
        else:
            groups = np.unique(source)
            if len(groups) > 2 and rng.random() < 0.1:
                groups = np.delete(groups, rng.integers(len(groups)))
            rows = np.concatenate([np.sort(rng.choice(np.flatnonzero(source == group), 4)) for group in groups])
        tokens = rng.integers(3, V, (len(rows), 1)).astype(np.int32)
        source, said = source[rows], np.concatenate([said[rows], tokens], axis=1)
        logits, state = conditioned.extend(tokens, np.ones(len(rows), np.int64), state.reorder(rows))
        kinds.add(type(state.own))
        assert state.own.longest == step + 2 and state.own.lengths.tolist() == [step + 2] * len(rows)
        np.testing.assert_array_equal(state.own.last(min(step + 1, 3)).numpy(), said[:, -3:])
        if step % 10 == 9:
            memory = model.encode(sources(5, np.random.default_rng(seed))).reorder(source)
            begun = np.concatenate([np.ones((len(rows), 1), np.int64), said], axis=1)
            with torch.inference_mode():
                features, _ = model.features(torch.from_numpy(begun), memory)
                expected = model.head(features[:, -1]).numpy()
            np.testing.assert_allclose(np.delete(logits, 1, axis=1), np.delete(expected, 1, axis=1), atol=2e-4)
    assert kinds == {KVCache, SharedKVCache}


def test_a_state_can_be_continued_twice(model):
    conditioned = model.conditioned_on(model.encode(sources(2, np.random.default_rng(0))))
    _, begun = conditioned.extend(np.zeros((2, 0), np.int32), np.zeros(2, np.int64))
    shared = begun.reorder(np.array([0, 0, 1, 1]))
    first, second = (np.full((4, 1), token, np.int32) for token in (5, 6))
    one = np.ones(4, np.int64)
    expected, _ = conditioned.extend(second, one, shared)
    _, other = conditioned.extend(first, one, shared)
    conditioned.extend(first, one, other)
    again, _ = conditioned.extend(second, one, shared)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("beam_size", [2, 5])
def test_beam_search_finds_what_it_finds_when_every_row_has_its_own_space(model, beam_size, monkeypatch):
    def found():
        conditioned = model.conditioned_on(model.encode(sources(6, np.random.default_rng(3))))
        logits, state = conditioned.extend(np.zeros((6, 0), np.int32), np.zeros(6, np.int64))
        return [
            [(hypothesis.ids, pytest.approx(hypothesis.log_prob, abs=1e-4)) for hypothesis in each]
            for each in beam.search(
                conditioned, log_softmax(logits), state, beam_size=beam_size, n_best=2, max_new_tokens=40, end=2, never=[0, 1],
                length_penalty=1.0,
            )
        ]  # fmt: skip

    shared = found()
    monkeypatch.setattr(kv_cache, "_SHARING", 0)
    assert found() == shared
