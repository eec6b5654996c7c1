"""What can be known of another device without one: nothing waits for it unseen, and no tensor is left behind on the host.

Tensors on PyTorch's device "meta" hold no numbers: whoever asks for one (`.item()`, a boolean mask, `.tolist()`) fails. `Device`
also fails where host and device meet in an operation, or where a tensor crosses other than by `nn/device.py`, and counts what does.
"""

import sys
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seqcli import catalog
from seqcli.data.batches import Example, Lanes, Windows
from seqcli.decoding import translate
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.sampling import Policy
from seqcli.decoding.translate import TranslationSettings
from seqcli.interfaces import SILENT, OpenModel, OpenTranslator
from seqcli.models import transformer_encoder
from seqcli.nn import device as copies
from seqcli.nn.encoder import text_vectors
from seqcli.text import BOS_ID, EOS_ID
from seqcli.token_batch import TokenBatch, padded_to_extend
from seqcli.tokenizers.bytes import Bytes
from seqcli.training import loop
from seqcli.training.budget import Budget
from seqcli.training.config import Plan
from seqcli.training.device import Placement
from seqcli.training.distributed import Ranks
from seqcli.training.optimizer import Muon

V, C = Bytes.vocab_size, 3
TOKENS = np.array([[BOS_ID, 5, 6, 7, EOS_ID], [BOS_ID, 8, EOS_ID, -1, -1]])
SIZES = {
    "language": {"vocab_size": V},
    "classification": {"vocab_size": V, "labels": C},
    "translation": {"source_size": V, "vocab_size": V, "joint": True},
}
NETWORKS = [
    (task, arch) for task in SIZES for arch in catalog.architectures(task) if not catalog.is_counted(task, arch)
]
LANGUAGE = [arch for task, arch in NETWORKS if task == "language"]
TRANSLATION = [arch for task, arch in NETWORKS if task == "translation"]
WINDOW = 8


def network(task, arch, **settings):
    name, _ = catalog.presets(task, arch)
    module = catalog.load("models", name)
    known = module.Config.__dataclass_fields__
    small = {
        "width": 8,
        "embedding": 8,
        "heads": 2,
        "layers": 2,
        "hidden": 8,
        "dropout": 0.1,
        "cell": arch,
        "window": WINDOW,
    }
    return module.build(module.Config(**{k: v for k, v in (small | settings).items() if k in known}), **SIZES[task])


class Device(TorchDispatchMode):
    """The device meta as if it were a real one. fetched: shapes of what was fetched from it; what comes is noise."""

    def __init__(self):
        super().__init__()
        self.fetched: list[tuple[int, ...]] = []
        self._noise = np.random.default_rng(0)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func._can_decompose():
            with self:
                return func.decompose(*args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor) and x.dim()]
        devices = {x.device.type for x in given}
        if func is torch.ops.aten._to_copy.default and "device" in kwargs:
            (tensor,) = given or args
            wanted = torch.device(kwargs["device"]).type
            if wanted != tensor.device.type:
                door = copies.to_host if wanted == "cpu" else copies.to_device
                assert called_by(door), (
                    f"a tensor {tuple(tensor.shape)} goes to {wanted} by another way than {door.__name__}"
                )
            if wanted == "cpu" and tensor.device.type == "meta":
                self.fetched.append(tuple(tensor.shape))
                noise = torch.from_numpy(self._noise.integers(3, V, tuple(tensor.shape)))  # which is tokens, too
                return noise.to(kwargs.get("dtype") or tensor.dtype)
        else:
            assert len(devices) < 2, f"{func}: tensors on {devices}"
        return func(*args, **kwargs)


def called_by(function) -> bool:
    frame = sys._getframe()
    while frame := frame.f_back:
        if frame.f_code is function.__code__:
            return True
    return False


@pytest.fixture
def device(monkeypatch):
    """Of which autocast knows nothing."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **named: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    with Device() as mode:
        yield mode


def there(task, arch, **settings):
    with torch.device("meta"):
        return network(task, arch, **settings).eval()


# --- what the others rest on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x[torch.arange(2)],
        lambda x: x + torch.ones(3),
        lambda x: x @ torch.ones(3, 2),
        lambda x: torch.ones(3).to(x.device),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_faults_are_found(fault, inference, device):
    with torch.inference_mode(inference), pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        fault(torch.ones(4, 3, device="meta"))


def test_a_pass_over_a_device_has_more_tokens():
    passes = {}
    for where in ("cpu", "meta"):
        model = network("language", "transformer")
        model.place(Placement(torch.device(where), torch.float32))
        passes[where] = model.batch_tokens
    assert passes["meta"] > passes["cpu"]


# --- training ---------------------------------------------------------------------------------------------------------


def example(task, model, *, masked=False):
    if task == "classification":
        return Example(TOKENS, np.array([0, 2]))
    if task == "translation":
        return Example(np.where(TOKENS == BOS_ID, 9, TOKENS), TOKENS, paired=True)
    inputs, targets = TOKENS[:, :-1], TOKENS[:, 1:]
    if masked:
        inputs = np.where(inputs == 6, model.vocab_size, inputs)
    return Example(inputs.copy() if masked else np.maximum(inputs, 0), targets.copy(), masked=masked)


def step(model, given):
    """What the training loop does with a batch."""
    inputs, targets, counted = (copies.to_device(x, model.device) for x in (given.inputs, given.targets, given.counted))
    total, count, _ = (model.masked_loss if given.masked else model.loss)(inputs, targets, counted=counted)
    total.backward()
    return total, count


@pytest.mark.parametrize("task, arch", NETWORKS)
def test_a_step_of_training_does_not_wait_for_the_device(task, arch, device):
    model = there(task, arch).train()
    given = example(task, model)
    total, count = step(model, given)
    assert total.device.type == "meta" and count == len(given.counted)
    assert all(p.grad is None or p.grad.device.type == "meta" for p in model.parameters())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    matrices = [weight for weight in model.parameters() if weight.ndim == 2]
    Muon([{"params": matrices, "orthogonal": True}]).step()
    assert not device.fetched


@pytest.mark.parametrize("objective", ["masked", "hybrid"])
def test_nor_does_one_of_a_model_that_fills_in(objective, device):
    model = there("language", "transformer", objective=objective).train()
    assert step(model, example("language", model, masked=True))[1] == 6
    assert not device.fetched


class Unjudged:
    """A `Recorder` that keeps nothing."""

    bytes_per_token, counted, resumable = None, "tokens", False

    def evaluate(self, go_on):
        return loop.Evaluation(0.0, None, 1, 1)

    def log(self, event): ...

    def best(self, progress): ...


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("arch", LANGUAGE)
def test_the_loop_waits_once_a_step(arch, carried, device):
    model = there("language", arch)
    plan = Plan(steps=3, accumulate=2, optimizer="sgd", ema=0.9, batch_tokens=8, evaluations=1)
    batches = (Lanes if carried and model.carried else Windows)(
        np.arange(3, 200, dtype=np.int32), width=4, batch_tokens=8, seed=0
    )
    loop.train(
        model, batches, plan, Unjudged(), budget=Budget(plan, begun=0.0, used=0.0, size=0),
        placement=Placement(torch.device("meta"), torch.float32), ranks=Ranks(0, 1), reporter=SILENT,
    )  # fmt: skip
    assert device.fetched == [(2,)] * 3


@pytest.mark.parametrize("task, arch", NETWORKS)
def test_targets_that_the_batch_counts_are_those_that_the_network_would_find(task, arch):
    model = network(task, arch, dropout=0.0).train()
    given = example(task, model)
    inputs, targets = torch.from_numpy(given.inputs), torch.from_numpy(np.ascontiguousarray(given.targets))
    told, found = step(model, given), model.loss(inputs, targets)
    assert told[1] == found[1] and torch.equal(told[0], found[0])


# --- scoring ----------------------------------------------------------------------------------------------------------

ROWS = [np.array(row, np.int32) for row in ([5, 6, 7, EOS_ID], [8, EOS_ID], [9] * 9 + [EOS_ID])]


@pytest.mark.parametrize("rank", [False, True])
@pytest.mark.parametrize("arch", LANGUAGE)
def test_scores_are_fetched_once_a_pass(arch, rank, device):
    model = there("language", arch)
    scores = model.score(TokenBatch.of(ROWS[:2]), context=np.array([4, 5]), rank=rank)
    assert device.fetched == [(6,)] * (1 + rank) and scores.log_prob.shape == (6,)
    model.score(TokenBatch.of(ROWS), rank=rank)


@pytest.mark.parametrize("objective", ["masked", "hybrid"])
def test_models_that_fill_in(objective, device):
    model = there("language", "transformer", objective=objective)
    model.score(TokenBatch.of(ROWS), rank=True)
    model.pseudo_scores(TokenBatch.of(ROWS), rank=True)
    assert [len(found) for found in model.fill([np.array([5, V, 6, V]), np.array([V])])] == [2, 1]


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("arch", [arch for task, arch in NETWORKS if task == "classification"])
def test_classifiers(arch, members, device):
    model = there("classification", arch, members=members, pooling=("max", "mean", "last", "attention"))
    assert model.classify(TokenBatch.of(ROWS)).shape == (3, C)


def test_vectors_of_texts(device):
    for task, arch in NETWORKS:
        text_vectors(there(task, arch), TokenBatch.of(ROWS))
    with torch.device("meta"):
        config = transformer_encoder.Config(
            width=8, heads=2, layers=1, window=WINDOW, pooling=("mean", "first", "last")
        )
        encoder = transformer_encoder.TransformerEncoder(config, vocab_size=V).eval()
    text_vectors(encoder, TokenBatch.of(ROWS))


# --- decoding ---------------------------------------------------------------------------------------------------------

ORDERS = ([0, 0, 1, 1], [2, 2, 0, 1])  # consecutive copies share their text's space


@pytest.mark.parametrize("arch", LANGUAGE)
def test_states_are_continued_joined_and_reordered(arch, device):
    model = there("language", arch)
    for rows in ([ROWS[0], ROWS[1]] * 2, [ROWS[0][:3]] * 4):  # of several lengths, and of one
        for order in ORDERS:
            _, state = model.extend(*padded_to_extend(rows))
            for more in range(2):
                state = state.reorder(np.roll(order, more))
                logits, state = model.extend(
                    np.full((len(order), 1), 5, np.int32), np.ones(len(order), np.int64), state
                )
            logits, state = model.extend(np.full((len(order), 2), 5, np.int32), np.arange(len(order)) % 2 + 1, state)
            assert logits.shape == (len(order), V)


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": Policy(temperature=0.7, top_k=9, top_p=0.9, min_p=0.01, repetition_penalty=1.2), "num_samples": 2},
        {"policy": Policy(temperature=0.0)},
        {"beam_size": 3, "num_samples": 2},
    ],
)
@pytest.mark.parametrize("arch", LANGUAGE)
def test_texts_are_generated(arch, settings, device):
    opened = OpenModel("model", arch, "document", Bytes(), there("language", arch))
    texts = list(generate(opened, ["ab", "a longer prompt"], GenerationSettings(max_new_tokens=3, **settings)))
    assert len(texts) == 2 * settings.get("num_samples", 1)
    prompts, *steps = device.fetched  # once a step
    assert prompts == (2, V) and len(steps) == 2 and all(width < 10 for _, width in steps)


@pytest.mark.parametrize("settings", [{"beam_size": 3, "n_best": 2, "no_repeat_ngram": 2}, {"num_samples": 2}])
@pytest.mark.parametrize("arch", TRANSLATION)
def test_translations_are_found(arch, settings, device, monkeypatch):
    monkeypatch.setattr(translate, "_MORE", 2)
    opened = OpenTranslator("model", arch, Bytes(), Bytes(), there("translation", arch))
    lines = ["ab", "longer than it", "", "cd"]
    how = TranslationSettings(max_length_ratio=0.1, prefix="x", **settings)
    assert len(list(translate.translate(opened, lines, how))) == 4
    steps = [shape for shape in device.fetched if len(shape) == 2 and shape[1] != V]
    assert len(steps) > 3 and all(width < 10 for _, width in steps)


@pytest.mark.parametrize("arch", TRANSLATION)
def test_translations_are_scored_and_attend(arch, device):
    model = there("translation", arch)
    conditioned = model.conditioned_on(model.encode(TokenBatch.of(ROWS[:2])))
    targets = TokenBatch.of([np.array([5, 6, EOS_ID], np.int32), np.array([7, EOS_ID], np.int32)])
    conditioned.score(targets, rank=True)
    assert device.fetched == [(5,), (5,)]
    conditioned.extend(*padded_to_extend([ROWS[0][:2], ROWS[1][:1]]))  # beginnings of several lengths
