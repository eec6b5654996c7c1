"""Attention by products is PyTorch's fused attention, value and gradients."""

import pytest
import torch

from seqcli.nn.attention import _by_products, attend


@pytest.mark.parametrize("groups", [4, 2, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_both_ways_agree(groups, masked):
    generator = torch.Generator().manual_seed(2)
    q, k, v = (torch.randn(3, heads, 5, 8, generator=generator, requires_grad=True) for heads in (4, groups, groups))
    mask = torch.ones(3, 1, 5, 5, dtype=torch.bool).tril(1) if masked else None
    results = []
    for way in (attend, _by_products):
        y = way(q, k, v, mask=mask, causal=not masked, dropped=0.0)
        results.append((y, *torch.autograd.grad(y.square().sum(), [q, k, v])))
    for fused, plain in zip(*results, strict=True):
        torch.testing.assert_close(plain, fused)
