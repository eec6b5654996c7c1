"""The Transformer's fused attention, caches and windows against the formulas written out."""

import math

import numpy as np
import pytest
import torch

from seqcli.models import transformer, transformer_classifier
from seqcli.nn.positions import rotate, turns
from seqcli.token_batch import TokenBatch

V = 20


def model_of(**settings):
    torch.manual_seed(3)
    model = transformer.build(
        transformer.Config(width=16, layers=2, heads=4, window=12, **settings), vocab_size=V
    ).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


def slow_attention(attention, x, turn):
    """Softmax of q k / sqrt(K) over the positions up to one's own, head by head (Vaswani et al. 2017, equation 1)."""
    heads, groups, width = attention.heads, attention.groups, attention.head_width
    out = torch.zeros_like(x)
    qkv = attention.qkv(x).view(*x.shape[:2], heads + 2 * groups, width)
    for h in range(heads):
        g = h * groups // heads
        q, k, v = (qkv[:, :, i][:, None] for i in (h, heads + g, heads + groups + g))
        if turn is not None:
            q, k = (rotate(each.transpose(1, 2), *turn).transpose(1, 2) for each in (q, k))
        weights = q[:, 0] @ k[:, 0].transpose(1, 2) / math.sqrt(width)
        weights = weights.masked_fill(torch.ones_like(weights).triu(1).bool(), -torch.inf).softmax(-1)
        out[:, :, h * width : (h + 1) * width] = weights @ v[:, 0]
    return attention.out(out)


@pytest.mark.parametrize("groups", [0, 2, 1])
@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_attention_is_the_formula(groups, positions):
    model = model_of(groups=groups, positions=positions)
    attention, x = model.body.layers[0].attention, torch.randn(2, 7, 16)
    turn = tuple(each[:, :, None] for each in turns(torch.arange(7)[None], 4)) if positions == "rotary" else None
    fast = attention(x, turn=turn, cache=None, mask=None, layer=0)
    torch.testing.assert_close(fast, slow_attention(attention, x, turn), rtol=1e-4, atol=1e-5)


def test_rotating_is_a_rotation_by_the_angle():
    """Su et al. (2021), equation 34: the pair (1, 0) at position p becomes (cos p f, sin p f)."""
    x = torch.tensor([1.0, 1.0, 0.0, 0.0])  # pairs (x_0, x_2), (x_1, x_3) with f = 1, 1/100
    turned = rotate(x, *turns(torch.tensor(5), 4))
    torch.testing.assert_close(turned, torch.tensor([math.cos(5), math.cos(0.05), math.sin(5), math.sin(0.05)]))


def test_the_stack_is_that_of_pytorch():
    """Its encoder layers, norm first, under a causal mask, with our weights."""
    stack = model_of(positions="learned", activation="gelu", norm="layer", bias=True).body
    theirs = torch.nn.TransformerEncoderLayer(
        16,
        4,
        64,
        dropout=0,
        activation=lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        batch_first=True,
        norm_first=True,
    )
    tokens = torch.randint(3, V, (2, 9))
    x = stack.embedding(tokens) + stack.positions(torch.arange(9))
    for layer in stack.layers:
        theirs.load_state_dict({
            "self_attn.in_proj_weight": layer.attention.qkv.weight, "self_attn.in_proj_bias": layer.attention.qkv.bias,
            "self_attn.out_proj.weight": layer.attention.out.weight, "self_attn.out_proj.bias": layer.attention.out.bias,
            "linear1.weight": layer.feedforward.up.weight, "linear1.bias": layer.feedforward.up.bias,
            "linear2.weight": layer.feedforward.out.weight, "linear2.bias": layer.feedforward.out.bias,
            "norm1.weight": layer.attention_norm.weight, "norm1.bias": layer.attention_norm.bias,
            "norm2.weight": layer.feedforward_norm.weight, "norm2.bias": layer.feedforward_norm.bias,
        })  # fmt: skip
        x = theirs(x, src_mask=torch.nn.Transformer.generate_square_subsequent_mask(9))
    torch.testing.assert_close(stack(tokens)[0], stack.norm(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [[4, 4], [2, 4]])
def test_two_ways_on_from_one_state_do_not_meet(lengths):
    model = model_of()
    tokens = np.arange(3, 11, dtype=np.int32).reshape(2, 4)
    _, state = model.extend(tokens, np.array(lengths))
    one = np.array([1, 1])
    _, first = model.extend(np.array([[5], [6]], np.int32), one, state)
    model.extend(np.array([[7], [8]], np.int32), one, state)
    on = model.extend(np.array([[9], [9]], np.int32), one, first)[0]
    for row, length in enumerate(lengths):
        whole = np.concatenate([tokens[row, :length], [5 + row, 9]]).astype(np.int32)
        np.testing.assert_allclose(on[row], model.extend(whole[None], np.array([length + 2]))[0][0], rtol=0, atol=2e-5)


def test_rotary_products_depend_on_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8).unbind(0)
    products = [
        (rotate(q, *turns(torch.tensor([i]), 8)) * rotate(k, *turns(torch.tensor([i - 3]), 8))).sum()
        for i in (3, 10, 400)
    ]
    torch.testing.assert_close(torch.stack(products), products[0].expand(3), rtol=1e-4, atol=1e-4)


def test_a_long_row_is_scored_in_windows_that_overlap_by_half():
    model = model_of()
    tokens = np.random.default_rng(0).integers(3, V, 40).astype(np.int32)
    whole = model.score(TokenBatch(tokens, np.array([40]))).log_prob
    sequence = np.concatenate([[1], tokens])
    for t in range(40):  # the window that first shows position t begins at a multiple of 6, and holds 12
        begin = 0 if t < 12 else min((t - 6) // 6 * 6, 40 - 12)
        seen = torch.from_numpy(sequence[begin : t + 1].astype(np.int64))[None]
        with torch.inference_mode():
            logits = model.logits(model.features(seen)[0][:, -1])[0]
        assert whole[t] == pytest.approx(float(logits.log_softmax(-1)[tokens[t]]), abs=1e-4), t


def test_generation_beyond_the_window_goes_on():
    model = model_of()
    tokens = np.random.default_rng(1).integers(3, V, 50).astype(np.int32)
    logits, state = model.extend(tokens[None, :30], np.array([30]))
    for token in tokens[30:]:
        logits, state = model.extend(np.array([[token]]), np.array([1]), state)
        assert int(state.lengths.max()) <= model.window and np.isfinite(logits[0, 3:]).all()


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"width": 100, "heads": 4}, r"even head width, got width 100 / heads 4 = 25; use a multiple of 8 as width"),
        ({"head_width": 25}, "even head width, got head_width = 25; use an even head_width"),
        ({"width": 101, "heads": 4}, "^width 101 must be a multiple of heads 4$"),
        ({"heads": 4, "groups": 3}, "^heads 4 must be a multiple of groups 3$"),
        ({"width": 99, "heads": 3, "positions": "sinusoidal"}, "got width 99; use an even width"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(settings, told):
    with pytest.raises(ValueError, match=told):
        transformer.Config(**settings)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_the_features_of_the_first_tokens_alone_are_those_among_all(place, positions, causal):
    model = model_of(norm_place=place, positions=positions)
    tokens = torch.randint(3, V, (3, 7))
    real = None if causal else torch.arange(7) < torch.tensor([[7], [4], [1]])
    every, _ = model.body(tokens, real=real)
    for queries in (1, 3):
        first, _ = model.body(tokens, real=real, queries=queries)
        torch.testing.assert_close(first, every[:, :queries], rtol=1e-5, atol=1e-5)


def test_a_classifier_that_reads_the_first_token_gives_what_it_gives_by_all_features():
    config = transformer_classifier.Config(width=16, layers=2, heads=4, pooling=("first",), transform="tanh")
    model = transformer_classifier.build(config, vocab_size=V, labels=3).eval()
    tokens = torch.randint(3, V, (4, 9))
    real = torch.ones(tokens.shape, dtype=torch.bool)
    wanted = model.transform(model.body(tokens, real=real)[0][:, 0])
    torch.testing.assert_close(model.features(tokens, real), wanted, rtol=1e-5, atol=1e-5)
