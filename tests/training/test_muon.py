"""Muon: orthogonal steps for matrices, AdamW for the rest."""

import torch
from torch import nn

from seqcli.training import optimizer
from seqcli.training.optimizer import Muon, orthogonal


def test_steps_are_nearly_orthogonal_and_keep_the_singular_vectors():
    x = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    made = orthogonal(x, iterations=6)
    values = (u.mT @ made @ v.mT).diagonal(dim1=-2, dim2=-1)  # of U V^T all would be 1
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(orthogonal(x.mT, iterations=6), made.mT)


def test_stacked_squares_step_on_their_own():
    """The gates of a recurrent cell are matrices, stacked."""
    gradients = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1))
    stacked, alone = nn.Parameter(torch.zeros(8, 4)), [nn.Parameter(torch.zeros(4, 4)) for _ in range(2)]
    optimizers = [Muon([{"params": [p], "orthogonal": True}], lr=0.1) for p in (stacked, *alone)]
    stacked.grad = gradients.view(8, 4).clone()
    for weight, gradient in zip(alone, gradients, strict=True):
        weight.grad = gradient.clone()
    for each in optimizers:
        each.step()
    torch.testing.assert_close(stacked.data, torch.cat([weight.data for weight in alone]))


def test_vectors_step_as_in_adamw():
    start, gradient = torch.ones(7), torch.linspace(-1, 1, 7)
    weights = [nn.Parameter(start.clone()) for _ in range(2)]
    settings = {"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.1}
    optimizers = [Muon([{"params": weights[:1]}], **settings), torch.optim.AdamW(weights[1:], **settings)]
    for _ in range(3):
        for weight, each in zip(weights, optimizers, strict=True):
            weight.grad = gradient.clone()
            each.step()
    assert torch.equal(*weights)


def test_matrices_of_a_shape_that_step_at_once_step_as_they_do_alone(monkeypatch):
    """As on a device, where there is a kernel for all of them."""
    generator = torch.Generator().manual_seed(2)
    shapes = [(6, 4), (4, 6), (6, 4), (8, 4), (6, 4), (8, 4)]
    start = [torch.randn(*shape, generator=generator) for shape in shapes]
    gradients = [[torch.randn(*shape, generator=generator) for shape in shapes] for _ in range(3)]

    def stepped() -> tuple[list[torch.Tensor], int]:
        weights = [nn.Parameter(each.clone()) for each in start]
        each = Muon([{"params": weights, "orthogonal": True, "weight_decay": 0.1}], lr=0.1)
        monkeypatch.setattr(optimizer, "orthogonal", lambda x, **how: calls.append(len(x)) or orthogonal(x, **how))
        calls: list[int] = []
        for now in gradients:
            for weight, gradient in zip(weights, now, strict=True):
                weight.grad = gradient.clone()
            each.step()
        return [weight.data for weight in weights], len(calls)

    alone, products = stepped()
    monkeypatch.setattr(
        optimizer, "_together", lambda weights: [[w for w in weights if w.shape == s] for s in dict.fromkeys(shapes)]
    )
    together, fewer = stepped()
    assert (products, fewer) == (18, 9)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other)
