"""Networks that adapt to the text that they score, against the definitions of the papers, token by token in float64."""

import copy
import math

import numpy as np
import pytest
import torch

from seqcli import catalog
from seqcli.adaptive_scoring import Cache, Dynamic
from seqcli.errors import UsageError
from seqcli.models import recurrent, transformer
from seqcli.nn.adaptive import AdaptiveNetwork, pieces
from seqcli.text import BOS_ID
from seqcli.token_batch import TokenBatch
from seqcli.training.device import place

V = 11
GENERATOR = np.random.default_rng(3)
ROWS = [GENERATOR.choice([2, *range(3, V)], size=n).astype(np.int32) for n in (7, 1, 23, 4)]
BATCH = TokenBatch.of(ROWS)


pytestmark = pytest.mark.usefixtures("one_thread")


def network(arch: str):
    torch.manual_seed(0)
    if arch == "lstm":
        model = recurrent.build(recurrent.Config(width=12, layers=2), vocab_size=V)
    else:
        model = transformer.build(transformer.Config(width=12, layers=1, heads=2, window=6), vocab_size=V)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model.eval()


@pytest.fixture(params=["lstm", "transformer"])
def model(request):
    return network(request.param)


def exact(model):
    """A copy in float64; attention in inference is float32, and there is no dropout."""
    return copy.deepcopy(model).double().train()


def exact_features(model, row) -> torch.Tensor:
    """[T, D] float64: the state before each token of a row; a window begins where plain scoring begins it."""
    tokens = torch.tensor([[BOS_ID, *row[:-1]]])
    if model.window is None:
        return model.features(tokens)[0][0]
    found = []
    for part in pieces(len(row), window=model.window, segment=1):
        found.append(model.features(tokens[:, part.begin : part.end])[0][0, -1])
    return torch.stack(found)


def test_the_continuous_cache_is_that_of_the_paper(model):
    theta, weight, window = 0.7, 0.3, 9
    scores = AdaptiveNetwork(model, cache=Cache(weight, theta, window), dynamic=None, apart=False).score(BATCH)
    model, pairs, expected = exact(model), [], []
    with torch.no_grad():
        for row in ROWS:
            for state, token in zip(exact_features(model, row), row.tolist()):
                logits = model.head(state)
                logits[BOS_ID] = -torch.inf
                p = float(logits.softmax(-1)[token])
                if pairs:
                    likeness = [math.exp(theta * float(state @ other)) for other, _ in pairs[-window:]]
                    same = sum(value for value, (_, after) in zip(likeness, pairs[-window:]) if after == token)
                    p = (1 - weight) * p + weight * same / sum(likeness)
                expected.append(math.log(p))
                pairs.append((state, token))
    np.testing.assert_allclose(scores.log_prob, expected, atol=2e-5)


@pytest.mark.parametrize("scaled", [False, True])
def test_dynamic_evaluation_is_that_of_the_paper(model, scaled):
    """By torch.autograd, weight by weight."""
    rate, decay, segment = 0.002 if scaled else 0.05, 0.1, 4
    training = [GENERATOR.integers(3, V, size=n).astype(np.int32) for n in (9, 5)]
    judge = exact(model)
    settings = Dynamic(rate, decay, segment)
    adaptive = AdaptiveNetwork(
        model, cache=None, dynamic=settings, apart=False, training_rows=training if scaled else None
    )
    scores = adaptive.score(BATCH)

    def segments(row):
        tokens, state = torch.tensor([[BOS_ID, *row]]), None
        for part in pieces(len(row), window=judge.window, segment=segment):
            features, after = judge.features(tokens[:, part.begin : part.end], state)
            if judge.window is None:
                state = type(after)([tuple(each.detach() for each in layer) for layer in after.layers])
            yield judge.head(features[0, part.first - part.begin :]), tokens[0, part.first + 1 : part.end + 1]

    weights = list(judge.parameters())
    trained = [weight.detach().clone() for weight in weights]
    if scaled:
        squares = [
            [grad**2 for grad in torch.autograd.grad(torch.nn.functional.cross_entropy(*given), weights)]
            for row in training for given in segments(row)
        ]  # fmt: skip
        rms = [torch.stack(each).mean(0).sqrt() for each in zip(*squares)]
        mean = torch.cat([each.flatten() for each in rms]).mean()
    expected = []
    for row in ROWS:
        for logits, targets in segments(row):
            possible = logits.detach().clone()
            possible[:, BOS_ID] = -torch.inf
            expected += possible.log_softmax(-1).gather(-1, targets[:, None])[:, 0].tolist()
            grads = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, targets), weights)
            for k, (weight, grad, first) in enumerate(zip(weights, grads, trained)):
                step = rate * grad / (rms[k] + 1e-5) if scaled else rate * grad
                back = (decay * rms[k] / mean).clamp(max=1) if scaled else decay
                weight.data += back * (first - weight.data) - step
    np.testing.assert_allclose(scores.log_prob, expected, atol=1e-4 if scaled else 2e-5)
    assert abs(scores.log_prob - model.score(BATCH).log_prob).max() > 0.01  # it learnt something


@pytest.mark.parametrize("arch", [arch for arch in catalog.architectures("language") if arch != "ngram"])
def test_without_weight_and_learning_rate_scores_are_the_plain_ones(arch):
    name, presets = catalog.presets("language", arch)
    module = catalog.load("models", name)
    fields = module.Config.__dataclass_fields__
    chosen = {"width": 16, "window": 6} if arch == "transformer" else {"width": 16}
    torch.manual_seed(0)
    config = module.Config(**{k: v for k, v in {**presets["tiny"], **chosen}.items() if k in fields})
    model = module.build(config, vocab_size=V).eval()
    plain = model.score(BATCH, rank=True)
    for cache, dynamic in (
        (Cache(weight=0), None),
        (None, Dynamic(0, segment=5)),
        (Cache(weight=0), Dynamic(0, segment=5)),
    ):
        adaptive = AdaptiveNetwork(model, cache=cache, dynamic=dynamic, apart=False)
        scores = adaptive.score(BATCH, rank=True)
        np.testing.assert_allclose(scores.log_prob, plain.log_prob, atol=2e-5)
        np.testing.assert_array_equal(scores.rank, plain.rank)
        assert len(adaptive.score(TokenBatch.of([])).log_prob) == 0


@pytest.mark.parametrize("cache, dynamic", [(Cache(), None), (None, Dynamic(0.5)), (Cache(), Dynamic(0.5))])
def test_documents_start_afresh_and_lines_go_on(model, cache, dynamic):
    trained = copy.deepcopy(model.state_dict())
    lines = AdaptiveNetwork(model, cache=cache, dynamic=dynamic, apart=False)
    together = lines.score(BATCH).log_prob
    lines.restart()
    by_line = np.concatenate([lines.score(TokenBatch.of([row])).log_prob for row in ROWS])
    np.testing.assert_array_equal(together, by_line)
    lines.restart()
    documents = AdaptiveNetwork(model, cache=cache, dynamic=dynamic, apart=True).score(BATCH).log_prob
    alone = []
    for row in ROWS:
        lines.restart()
        alone.append(lines.score(TokenBatch.of([row])).log_prob)
    np.testing.assert_array_equal(documents, np.concatenate(alone))
    assert abs(documents - together)[len(ROWS[0]) :].max() > 1e-3
    lines.restart()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, trained[name])


def test_weights_that_change_are_not_laid_out(model):
    adaptive = AdaptiveNetwork(model, cache=None, dynamic=Dynamic(), apart=False)
    with pytest.raises(UsageError, match="--dynamic needs --precision fp32, not bf16"):
        adaptive.place(place("cpu", "bf16"))
    adaptive.place(place("cpu", "fp32"))
    assert not model.held and adaptive.precision == "fp32"
    cached = AdaptiveNetwork(model, cache=Cache(), dynamic=None, apart=False)
    exact = cached.score(BATCH).log_prob
    cached.restart()
    cached.place(place("cpu", "bf16"))
    np.testing.assert_allclose(cached.score(BATCH).log_prob, exact, atol=0.15)
    assert cached.precision == "bf16"
