"""Masked language models: pseudo-log-likelihoods and fillings against the definition, one token hidden at a time."""

import numpy as np
import pytest
import torch

from seqcli.errors import UsageError
from seqcli.models import transformer
from seqcli.text import BOS_ID
from seqcli.token_batch import TokenBatch

V, WINDOW = 12, 24
ROWS = [[3, 4, 5, 2], [7, 8, 3, 4, 5, 6, 9, 2], [2], [11, 3, 2]]


def made(objective: str, **settings) -> transformer.Transformer:
    """With random weights, large enough for the context to matter."""
    torch.manual_seed(3)
    config = transformer.Config(width=16, layers=2, heads=2, window=WINDOW, objective=objective, **settings)
    model = transformer.build(config, vocab_size=V).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def batch(rows) -> TokenBatch:
    return TokenBatch(np.concatenate([np.array(row, np.int32) for row in rows]), np.array(list(map(len, rows))))


@torch.no_grad()
def by_definition(model, row: list[int], place: int) -> np.ndarray:
    """log p of every token at `place` of a row that is alone and of which nothing else is hidden: float64 [V]."""
    tokens = torch.tensor([[BOS_ID, *row]])
    hidden = torch.zeros_like(tokens, dtype=torch.bool)
    hidden[0, place + 1] = True
    x = model.body.embedding(tokens)
    x[0, place + 1] = model.mask
    turn = tuple(each[:, :, None] for each in transformer_turns(model, tokens.shape[1]))
    everything = torch.ones(1, 1, 1, tokens.shape[1], dtype=torch.bool)
    for number, layer in enumerate(model.body.layers):
        x = layer(x, turn=turn, cache=None, mask=everything, memory=None, layer=number)
    features = model.body.norm(x)[0, place + 1 - model.hybrid]
    logits = (model.head.weight @ features).double()
    logits[BOS_ID] = -torch.inf
    return logits.log_softmax(-1).numpy()


def transformer_turns(model, length: int):
    from seqcli.nn.positions import turns

    return turns(torch.arange(length)[None], model.body.head_width)


@pytest.mark.parametrize("objective", ["masked", "hybrid"])
def test_the_pseudo_log_likelihood_is_that_of_the_definition(objective):
    """Whatever the rows of a batch, each token is predicted from all others of its row."""
    model = made(objective)
    found = model.pseudo_scores(batch(ROWS), rank=True)
    expected = [(by_definition(model, row, place), token) for row in ROWS for place, token in enumerate(row)]
    np.testing.assert_allclose(found.log_prob, [log_p[token] for log_p, token in expected], atol=1e-5)
    ranks = [1 + int((log_p > log_p[token]).sum()) for log_p, token in expected]
    assert found.rank.tolist() == ranks


@pytest.mark.parametrize("objective", ["masked", "hybrid"])
def test_fillings_are_distributions(objective):
    model = made(objective)
    rows = [np.array([*row[:k], V, *row[k + 1 :]]) for row in ROWS for k in range(len(row))]
    filled = model.fill(rows)
    expected = [by_definition(model, row, k) for row in ROWS for k in range(len(row))]
    for log_p, definition in zip(filled, expected, strict=True):
        assert log_p.shape == (1, V)
        np.testing.assert_allclose(log_p[0], definition, atol=1e-5)
        assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-5)
    (two,) = model.fill([np.array([3, V, 4, V, 2])])
    assert two.shape == (2, V)
    assert model.fill([]) == []
    with pytest.raises(UsageError, match="24"):
        model.fill([np.full(WINDOW, V)])


def test_a_masked_model_reads_later_tokens_and_scores_are_pseudo():
    model = made("masked")
    assert model.pseudo
    one, other = (model.score(batch([[3, 4, last, 2]])).log_prob for last in (5, 6))
    assert abs(one[:2] - other[:2]).min() > 1e-4
    with pytest.raises(UsageError, match="next token"):
        model.extend(np.array([[3]], np.int32), np.array([1]))


def test_a_hybrid_model_is_a_causal_one_too():
    """With the same weights its scores are those of a causal Transformer."""
    hybrid, causal = made("hybrid"), made("causal")
    weights = {name: value for name, value in hybrid.state_dict().items() if name != "mask"}
    causal.load_state_dict(weights)
    assert not hybrid.pseudo
    np.testing.assert_allclose(hybrid.score(batch(ROWS)).log_prob, causal.score(batch(ROWS)).log_prob, atol=1e-6)


def test_long_rows_are_seen_in_windows():
    """Every token once, and the ends of a row with as much of it as fits."""
    model = made("masked")
    rng = np.random.default_rng(0)
    row = rng.integers(3, V, 3 * WINDOW).tolist()
    found = model.score(batch([row])).log_prob
    assert np.isfinite(found).all() and len(found) == len(row)
    first = [by_definition(model, row[: WINDOW - 1], place)[row[place]] for place in range(4)]
    np.testing.assert_allclose(found[:4], first, atol=1e-5)


def test_a_context_is_seen_and_not_scored():
    model = made("masked")
    whole = model.score(batch([[3, 4, 5, 2]])).log_prob
    rest = model.score(batch([[5, 2]]), context=np.array([3, 4])).log_prob
    np.testing.assert_allclose(rest, whole[2:], atol=1e-5)


def test_scoring_in_training_hides_several_tokens_at_once():
    """Each token once, in seven passes however long the row is."""
    model, passes = made("masked"), []
    seen = model.seen
    model.seen = lambda tokens, **named: (passes.append(len(tokens)), seen(tokens, **named))[1]
    with model.quickly(window=WINDOW, products=torch.float32):
        found = model.score(batch([ROWS[1] * 2]))
    assert sum(passes) == 7 and len(found.log_prob) == 16
    model.score(batch([ROWS[1] * 2]))
    assert sum(passes) == 7 + 16


def test_a_masked_model_learns_from_later_tokens():
    """The first token of `a b` is known by the second alone: a model that reads from the left cannot tell, this one can."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = transformer.build(
        transformer.Config(width=32, layers=1, heads=2, window=8, objective="masked"), vocab_size=V
    )
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(300):
        first = rng.integers(3, 7, 64)
        inputs = np.stack([np.full(64, BOS_ID), np.full(64, V), first + 4, np.full(64, 2)], 1)
        targets = np.full_like(inputs, -1)
        targets[:, 1] = first
        loss, count, _ = model.masked_loss(torch.from_numpy(inputs), torch.from_numpy(targets))
        optimizer.zero_grad()
        (loss / count).backward()
        optimizer.step()
    model.eval()
    (filled,) = model.fill([np.array([V, 9, 2])])
    assert np.exp(filled[0, 5]) > 0.95
