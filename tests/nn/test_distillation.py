"""Distillation: the loss of a student is the cross-entropy under the mean probabilities of its teachers."""

import pytest
import torch
from torch.nn import functional as F

from seqcli import catalog
from seqcli.nn.distillation import soft_targets


def network(arch: str, *, seed: int):
    torch.manual_seed(seed)
    module = catalog.load("models", catalog.presets("language", arch)[0])
    settings = {
        "transformer": {"width": 16, "layers": 1, "heads": 2, "window": 12},
        "gru": {"cell": "gru", "width": 16},
    }
    return module.build(module.Config(**settings[arch]), vocab_size=30)


@pytest.mark.parametrize("student", ["transformer", "gru"])
def test_the_loss_is_the_cross_entropy_under_the_mean_of_the_teachers(student):
    teachers = [network("gru", seed=1).eval(), network("transformer", seed=2).eval()]
    model = network(student, seed=3).eval()
    tokens = torch.randint(3, 30, (4, 10))
    inputs, targets = tokens[:, :-1], tokens[:, 1:].clone()
    targets[0, 5:] = -1
    model.soft_targets = soft_targets(teachers, share=0.6)
    loss, count, _ = model.loss(inputs, targets)

    kept = targets.reshape(-1) >= 0
    with torch.no_grad():
        spread = torch.stack(
            [teacher.logits(teacher.features(inputs)[0]).flatten(0, 1)[kept].softmax(-1) for teacher in teachers]
        ).mean(0)
    wanted = 0.4 * F.one_hot(targets.reshape(-1)[kept], 30) + 0.6 * spread
    logits = model.head(model.features(inputs)[0]).flatten(0, 1)[kept]
    expected = F.cross_entropy(logits, wanted, reduction="sum")
    torch.testing.assert_close(loss, expected)
    assert count == int(kept.sum())
    for got, want in zip(
        torch.autograd.grad(loss, [*model.parameters()]),
        torch.autograd.grad(expected, [*model.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)


def test_teachers_are_not_part_of_the_student():
    model = network("gru", seed=1)
    before = [*model.state_dict()]
    model.soft_targets = soft_targets([network("gru", seed=2)], share=0.5)
    assert [*model.state_dict()] == before


def test_a_classifier_learns_probabilities():
    torch.manual_seed(0)
    module = catalog.load("models", catalog.presets("classification", "gru")[0])
    model = module.build(module.Config(cell="gru", width=8), vocab_size=30, labels=3).eval()
    tokens, shares = torch.randint(3, 30, (5, 9)), torch.rand(5, 3).softmax(-1)
    shares[2] = -1  # not counted
    loss, count, _ = model.loss(tokens, shares)
    kept = [0, 1, 3, 4]
    expected = F.cross_entropy(model(tokens)[kept], shares[kept], reduction="sum")
    torch.testing.assert_close(loss, expected)
    assert count == 4
