"""Networks that classify, judged by PyTorch's own layers, and by rows that are read one by one without padding."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seqcli.models import cnn_classifier, recurrent_classifier, transformer_classifier
from seqcli.nn.classifier import NeuralClassifier
from seqcli.nn.layers import POOLINGS, Pooling
from seqcli.nn.recurrent import backwards
from seqcli.text import BOS_ID, PAD, UNK_ID

V, C, E, D = 12, 3, 6, 5
LENGTHS = [4, 9, 1, 6, 9]
GENERATOR = torch.Generator().manual_seed(3)
TOKENS = torch.full((len(LENGTHS), 11), PAD)
for number, length in enumerate(LENGTHS):
    TOKENS[number, :length] = torch.randint(3, V, (length,), generator=GENERATOR)
    TOKENS[number, 0] = BOS_ID
REAL = TOKENS != PAD
TARGETS = torch.tensor([0, 2, 1, 2, 0])


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(module, config) -> NeuralClassifier:
    torch.manual_seed(2)
    model = module.build(config, vocab_size=V, labels=C)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def features(model, tokens=TOKENS):
    with torch.no_grad():
        return model.features(tokens.clamp_min(0), tokens != PAD)


def pooled(kind: str, x: torch.Tensor, attention: torch.Tensor | None) -> torch.Tensor:
    """One row without padding: [T, D] -> [D], by the definitions."""
    if kind == "attention":
        return torch.softmax(x @ attention, dim=0) @ x
    return {
        "max": lambda: x.max(dim=0)[0],
        "mean": lambda: x.mean(dim=0),
        "first": lambda: x[0],
        "last": lambda: x[-1],
    }[kind]()


# --- pooling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [*((kind,) for kind in POOLINGS), ("last", "attention", "max", "mean")])
def test_pooling_row_by_row(kinds):
    torch.manual_seed(0)
    layer, x = (
        Pooling(kinds, D),
        torch.randn(len(LENGTHS), 11, D) - 2,
    )  # so that a zero of the padding would be the largest
    with torch.no_grad():
        found = layer(x, REAL)
        u = layer.attention.weight[0] if "attention" in kinds else None
        want = torch.stack([torch.cat([pooled(k, row[:n], u) for k in kinds]) for row, n in zip(x, LENGTHS)])
    assert found.shape == (len(LENGTHS), layer.width)
    torch.testing.assert_close(found, want)


# --- recurrence -------------------------------------------------------------------------------------------------------


def test_backwards_is_its_own_inverse():
    x, lengths = torch.randn(len(LENGTHS), 11, D), torch.tensor(LENGTHS)
    there = backwards(x, lengths)
    for row, other, n in zip(x, there, LENGTHS):
        torch.testing.assert_close(other, torch.cat([row[:n].flip(0), row[n:]]))
    torch.testing.assert_close(backwards(there, lengths), x)


@pytest.mark.parametrize("cell, theirs", [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
@pytest.mark.parametrize("kinds", [("max",), ("last", "mean")])
def test_both_directions_are_those_of_pytorch(cell, theirs, kinds):
    """On packed rows, with the same weights."""
    model = drawn(recurrent_classifier, recurrent_classifier.Config(cell=cell, embedding=E, width=D, pooling=kinds))
    judge = theirs(E, D, batch_first=True, bidirectional=True)
    state = {name: weight for name, weight in model.body.layers[0].state_dict().items()}
    state |= {f"{name}_reverse": weight for name, weight in model.back.layers[0].state_dict().items()}
    judge.load_state_dict(state)
    with torch.no_grad():
        x = model.body.embedding(TOKENS.clamp_min(0))
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(judge(packed)[0], batch_first=True)
    rows = []
    for row, n in zip(y, LENGTHS):
        forward, back = row[:n, :D], row[:n, D:].flip(0)  # the last of a direction has read all
        rows.append(torch.cat([pooled(kind, side, None) for side in (forward, back) for kind in kinds]))
    torch.testing.assert_close(features(model), torch.stack(rows), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_one_direction_of_several_layers(cell):
    config = recurrent_classifier.Config(
        cell=cell, embedding=E, width=D, layers=2, bidirectional=False, pooling=("last",)
    )
    model = drawn(recurrent_classifier, config)
    judge = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](E, D, num_layers=2, batch_first=True)
    parts = {name: layer.state_dict() for name, layer in zip("01", model.body.layers)}
    judge.load_state_dict({key[:-1] + name: part for name, layer in parts.items() for key, part in layer.items()})
    with torch.no_grad():
        x = model.body.embedding(TOKENS.clamp_min(0))
        want = torch.stack([judge(row[None, :n])[0][0, -1] for row, n in zip(x, LENGTHS)])
    torch.testing.assert_close(features(model), want, atol=1e-6, rtol=1e-5)


# --- convolution ------------------------------------------------------------------------------------------------------


def test_filters_are_those_of_pytorch():
    """At every token over it and those before it, zeros before the first."""
    model = drawn(cnn_classifier, cnn_classifier.Config(embedding=E, filters=D, widths=(1, 2, 5), dropout=0.0))
    rows = []
    with torch.no_grad():
        for tokens, n in zip(TOKENS, LENGTHS):
            x, found = model.body.embedding(tokens[:n]).T[None], []  # [1, E, T]
            for width, filters in zip((1, 2, 5), model.body.filters):
                judge = nn.Conv1d(E, D, width)
                judge.load_state_dict({"weight": filters.weight.view(D, E, width), "bias": filters.bias})
                found.append(F.relu(judge(F.pad(x, (width - 1, 0)))).amax(dim=2)[0])
            rows.append(torch.cat(found))
    torch.testing.assert_close(features(model), torch.stack(rows), atol=1e-6, rtol=1e-5)


# --- Transformer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"causal": True}, {"positions": "learned", "norm": "layer", "bias": True},
                                      {"positions": "sinusoidal", "activation": "gelu", "groups": 1}])  # fmt: skip
def test_an_encoder_reads_rows_as_if_they_stood_alone(settings):
    config = transformer_classifier.Config(
        width=8, heads=2, layers=2, window=16, pooling=("mean", "attention"), **settings
    )
    model = drawn(transformer_classifier, config)
    alone = torch.cat([features(model, row[None, :n]) for row, n in zip(TOKENS, LENGTHS)])
    torch.testing.assert_close(features(model), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_every_token_sees_all_others_or_those_before_it(causal):
    model = drawn(transformer_classifier, transformer_classifier.Config(width=8, heads=2, layers=1, causal=causal))
    row, changed = TOKENS[1:2, :9], TOKENS[1:2, :9].clone()
    changed[0, -1] = 3 if row[0, -1] != 3 else 4
    with torch.no_grad():
        first, other = (model.body(t, real=None if causal else t != PAD)[0][0, 0] for t in (row, changed))
    assert torch.equal(first, other) == causal


# --- several, and the loss --------------------------------------------------------------------------------------------


def test_an_ensemble_is_the_mean_of_its_members_probabilities():
    model = drawn(cnn_classifier, cnn_classifier.Config(embedding=E, filters=D, members=3, dropout=0.0)).eval()
    with torch.no_grad():
        shares = [member(TOKENS).softmax(dim=1) for member in model.members]
        torch.testing.assert_close(model(TOKENS), torch.stack(shares).mean(dim=0).log())
        losses = [member.loss(TOKENS, TARGETS)[0] for member in model.members]
        torch.testing.assert_close(model.loss(TOKENS, TARGETS)[0], torch.stack(losses).mean())
    assert not torch.allclose(shares[0], shares[1]) and model.labels == C


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 0.0])])
def test_the_loss_is_cross_entropy_of_the_rows_that_count(members, smoothing, weights):
    """A negative target is a row that does not count: `ignore_index`."""
    model = drawn(cnn_classifier, cnn_classifier.Config(embedding=E, filters=D, dropout=0.0, members=members)).eval()
    model.label_weights = weights
    targets = torch.tensor([0, -1, 1, 2, -1])
    total, count, state = model.loss(TOKENS, targets, smoothing=smoothing)
    parts = model.members if members > 1 else [model]
    want = [
        F.cross_entropy(part(TOKENS), targets, weight=weights, ignore_index=-1, label_smoothing=smoothing, reduction="sum")
        for part in parts
    ]  # fmt: skip
    torch.testing.assert_close(total, torch.stack(want).mean())
    assert count == 3 and state is None
    total.backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_words_are_dropped_only_while_it_learns():
    model = drawn(cnn_classifier, cnn_classifier.Config(embedding=E, filters=D, dropout=0.0, word_dropout=0.9))
    seen, inside = [], model.features
    model.features = lambda tokens, real: (seen.append((tokens, real)), inside(tokens, real))[1]
    model.eval()(TOKENS)
    model.train()(TOKENS)
    (asked, real), (learning, other) = seen
    assert torch.equal(asked, TOKENS.clamp_min(0)) and torch.equal(real, REAL) and torch.equal(other, REAL)
    changed = learning != asked
    assert changed.any() and (learning[changed] == UNK_ID).all()
    assert not changed[:, 0].any() and not changed[~REAL].any()  # `<s>` stays, and padding


@pytest.mark.parametrize("positions", ["learned", "rotary", "sinusoidal"])
def test_a_window_that_is_no_multiple_of_eight_can_be_learnt(positions):
    """Batches are padded to multiples of eight."""
    import numpy as np

    from seqcli.data.batches import Labelled

    model = drawn(
        transformer_classifier,
        transformer_classifier.Config(width=8, heads=2, layers=1, window=10, positions=positions),
    )
    stream = np.array([BOS_ID, *[4] * 30, BOS_ID, 5, 6], np.int32)
    batches = Labelled(stream, np.array([0, 1], np.int32), batch_tokens=64, seed=0, longest=10)
    for index in range(batches.length(0)):
        inputs, targets, *_ = batches.get(0, index)
        total, _, _ = model.loss(torch.from_numpy(inputs), torch.from_numpy(targets))
        assert torch.isfinite(total)
