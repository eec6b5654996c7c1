"""The Transformer's fused attention, caches and windows against the formulas written out."""

import math

import numpy as np
import pytest
import torch

from seqcli.interfaces import TokenBatch
from seqcli.models import transformer
from seqcli.nn.positions import angles, rotate

V = 20


def model_of(**settings):
    torch.manual_seed(3)
    model = transformer.build(transformer.Config(width=16, layers=2, heads=4, window=12, **settings), vocab_size=V).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


def slow_attention(attention, x, angle):
    """Softmax of q k / sqrt(K) over the positions up to one's own, head by head (Vaswani et al. 2017, equation 1)."""
    heads, groups, width = attention.heads, attention.groups, attention.head_width
    out = torch.zeros_like(x)
    qkv = attention.qkv(x).view(*x.shape[:2], heads + 2 * groups, width)
    for h in range(heads):
        g = h * groups // heads
        q, k, v = (qkv[:, :, i][:, None] for i in (h, heads + g, heads + groups + g))
        if angle is not None:
            q, k = rotate(q, angle), rotate(k, angle)
        weights = q[:, 0] @ k[:, 0].transpose(1, 2) / math.sqrt(width)
        weights = weights.masked_fill(torch.ones_like(weights).triu(1).bool(), -torch.inf).softmax(-1)
        out[:, :, h * width : (h + 1) * width] = weights @ v[:, 0]
    return attention.out(out)


@pytest.mark.parametrize("groups", [0, 2, 1])
@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_attention_is_the_formula(groups, positions):
    model = model_of(groups=groups, positions=positions)
    attention, x = model.body.layers[0].attention, torch.randn(2, 7, 16)
    angle = angles(torch.arange(7)[None], 4)[:, None] if positions == "rotary" else None
    fast = attention(x, angle=angle, cache=None, layer=0)
    torch.testing.assert_close(fast, slow_attention(attention, x, angle), rtol=1e-4, atol=1e-5)


def test_rotary_products_depend_on_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8).unbind(0)
    products = [
        (rotate(q, angles(torch.tensor([[i]]), 8)[:, None]) * rotate(k, angles(torch.tensor([[i - 3]]), 8)[:, None])).sum()
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
