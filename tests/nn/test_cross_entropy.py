"""The loss of a linear head is PyTorch's cross-entropy of its logits, value and gradients, whatever is computed at once."""

import pytest
import torch
from torch.nn import functional as F

from seqcli.nn import cross_entropy


def parts(rows: int, vocab: int, *, bias: bool):
    generator = torch.Generator().manual_seed(3)
    x, weight = (torch.randn(n, 6, generator=generator, requires_grad=True) for n in (rows, vocab))
    offset = torch.randn(vocab, generator=generator, requires_grad=True) if bias else None
    return x, weight, offset, torch.randint(vocab, (rows,), generator=generator)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("at_once", "kept"), [(1 << 21, 1 << 27), (22, 55), (1, 1)])
@pytest.mark.parametrize("as_device", ["cpu", "cuda"])
def test_it_is_pytorchs(bias, smoothing, at_once, kept, as_device, monkeypatch):
    sizes = cross_entropy._sizes
    monkeypatch.setattr(cross_entropy, "_sizes", lambda vocab, device: sizes(vocab, device=torch.device(as_device)))
    monkeypatch.setattr(cross_entropy, "_AT_ONCE", at_once)
    monkeypatch.setattr(cross_entropy, "KEPT", kept)
    x, weight, offset, targets = parts(17, 11, bias=bias)
    leaves = [tensor for tensor in (x, weight, offset) if tensor is not None]
    expected = F.cross_entropy(F.linear(x, weight, offset), targets, reduction="sum", label_smoothing=smoothing)
    wanted = torch.autograd.grad(expected * 0.3, leaves)
    total = cross_entropy.linear_cross_entropy(x, weight, offset, targets, smoothing=smoothing)
    torch.testing.assert_close(total, expected)
    for got, want in zip(torch.autograd.grad(total * 0.3, leaves), wanted, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("at_once", "kept"), [(1 << 21, 1 << 27), (22, 55)])
def test_with_soft_targets_it_is_pytorchs_of_probabilities(smoothing, at_once, kept, monkeypatch):
    monkeypatch.setattr(cross_entropy, "_AT_ONCE", at_once)
    monkeypatch.setattr(cross_entropy, "KEPT", kept)
    x, weight, offset, targets = parts(17, 11, bias=True)
    probabilities, share = torch.rand(17, 11).softmax(-1), 0.3
    smoothed = (1 - smoothing) * F.one_hot(targets, 11) + smoothing / 11
    expected = F.cross_entropy(
        F.linear(x, weight, offset), (1 - share) * smoothed + share * probabilities, reduction="sum"
    )
    wanted = torch.autograd.grad(expected, [x, weight, offset])
    soft = cross_entropy.SoftTargets(lambda begin, end: probabilities[begin:end], share)
    total = cross_entropy.linear_cross_entropy(x, weight, offset, targets, smoothing=smoothing, soft=soft)
    torch.testing.assert_close(total, expected)
    for got, want in zip(torch.autograd.grad(total, [x, weight, offset]), wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_in_bfloat16_it_is_close():
    x, weight, offset, targets = parts(40, 300, bias=True)
    expected = F.cross_entropy(F.linear(x, weight, offset), targets, reduction="sum")
    wanted = torch.autograd.grad(expected, [x, weight])
    with torch.autocast("cpu", torch.bfloat16):
        total = cross_entropy.linear_cross_entropy(x, weight, offset, targets)
    torch.testing.assert_close(total, expected, rtol=1e-2, atol=0)
    for got, want in zip(torch.autograd.grad(total, [x, weight]), wanted, strict=True):
        assert (got - want).norm() < 0.02 * want.norm() and got.dtype == torch.float32


def test_no_targets_are_no_loss():
    x, weight, offset, targets = parts(0, 5, bias=True)
    total = cross_entropy.linear_cross_entropy(x, weight, offset, targets)
    total.backward()
    assert total.item() == 0 and not weight.grad.any()
