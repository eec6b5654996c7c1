"""What can be known of another device without one: no step waits for it, and no tensor is left behind on the host.

Tensors on PyTorch's device "meta" hold no numbers: a step that asks for one (`.item()`, a boolean mask, `.cpu()`) fails, as does a
product of tensors on two devices.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from seqcli import catalog
from seqcli.data.batches import Example
from seqcli.text import BOS_ID, EOS_ID

V, C = 20, 3
TOKENS = np.array([[BOS_ID, 5, 6, 7, EOS_ID], [BOS_ID, 8, EOS_ID, -1, -1]])
SIZES = {
    "language": {"vocab_size": V},
    "classification": {"vocab_size": V, "labels": C},
    "translation": {"source_size": V, "vocab_size": V, "joint": True},
}
NETWORKS = [
    (task, arch) for task in SIZES for arch in catalog.architectures(task) if not catalog.is_counted(task, arch)
]


def network(task, arch, **settings):
    name, _ = catalog.presets(task, arch)
    module = catalog.load("models", name)
    known = module.Config.__dataclass_fields__
    small = {"width": 8, "embedding": 8, "heads": 2, "layers": 1, "hidden": 8, "dropout": 0.1, "cell": arch}
    return module.build(module.Config(**{k: v for k, v in (small | settings).items() if k in known}), **SIZES[task])


def example(task, model, *, masked=False):
    if task == "classification":
        return Example(TOKENS, np.array([0, 2]))
    if task == "translation":
        return Example(np.where(TOKENS == BOS_ID, 9, TOKENS), TOKENS, paired=True)
    inputs, targets = TOKENS[:, :-1], TOKENS[:, 1:]
    if masked:
        inputs = np.where(inputs == 6, model.vocab_size, inputs)
    return Example(inputs.copy() if masked else np.maximum(inputs, 0), targets.copy(), masked=masked)


def step(model, given, device):
    """What the training loop does with a batch."""
    inputs, targets, counted = (
        torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in (given.inputs, given.targets, given.counted)
    )
    total, count, _ = (model.masked_loss if given.masked else model.loss)(inputs, targets, counted=counted)
    total.backward()
    return total, count


@pytest.fixture
def meta(monkeypatch):
    """The device, of which autocast knows nothing."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **named: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    return "meta"


@pytest.mark.parametrize("task, arch", NETWORKS)
def test_a_step_of_training_does_not_wait_for_the_device(task, arch, meta):
    with torch.device(meta):
        model = network(task, arch).train()
        given = example(task, model)
        total, count = step(model, given, meta)
        assert total.device.type == meta and count == len(given.counted)
        assert all(p.grad is None or p.grad.device.type == meta for p in model.parameters())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)


@pytest.mark.parametrize("objective", ["masked", "hybrid"])
def test_nor_does_one_of_a_model_that_fills_in(objective, meta):
    with torch.device(meta):
        model = network("language", "transformer", objective=objective).train()
        assert step(model, example("language", model, masked=True), meta)[1] == 6


@pytest.mark.parametrize("task, arch", NETWORKS)
def test_targets_that_the_batch_counts_are_those_that_the_network_would_find(task, arch):
    model = network(task, arch, dropout=0.0).train()
    given = example(task, model)
    inputs, targets = torch.from_numpy(given.inputs), torch.from_numpy(np.ascontiguousarray(given.targets))
    told, found = step(model, given, "cpu"), model.loss(inputs, targets)
    assert told[1] == found[1] and torch.equal(told[0], found[0])
