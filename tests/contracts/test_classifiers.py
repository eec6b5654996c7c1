"""Every classifier of the catalogue keeps the promises of `interfaces.Classifier`; a new one is tried here at once."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from seqcli import catalog
from seqcli.interfaces import SILENT
from seqcli.ngram.arena import Arena
from seqcli.text import EOS_ID
from seqcli.token_batch import TokenBatch

V, C = 12, 3
GENERATOR = np.random.default_rng(5)
SHORT = [GENERATOR.choice([0, 2, *range(3, V)], size=n).astype(np.int32) for n in (5, 1, 9, 3, 3, 14)]
ROWS = [
    *SHORT,
    GENERATOR.choice(np.arange(3, V), size=70).astype(np.int32),
    np.zeros(0, np.int32),
]  # longer than WINDOW, and empty
WINDOW = 24
SMALL = {"width": 16, "embedding": 8, "filters": 8, "layers": 2, "buckets": 256, "window": WINDOW, "words": 1}
ARCHS = catalog.architectures("classification")
TRAINED = [arch for arch in ARCHS if not catalog.is_counted("classification", arch)]


pytestmark = pytest.mark.usefixtures("one_thread")


def module_of(arch: str):
    return catalog.load("models", catalog.presets("classification", arch)[0])


def made(arch: str, **settings) -> SimpleNamespace:
    """A model, its arrays as a folder holds them, and `again`, which makes it of arrays."""
    module, preset = module_of(arch), catalog.presets("classification", arch)[1]["tiny"]
    values = {**preset, **SMALL, **settings}
    config = module.Config(**{f.name: values[f.name] for f in dataclasses.fields(module.Config) if f.name in values})
    sizes = {"labels": C} if hasattr(module, "encoder") else {"labels": C, "vocab_size": V}
    if hasattr(module, "estimate"):
        about = {} if hasattr(module, "encoder") else {"arena": lambda tokens: Arena(memory=1 << 30, tokens=tokens)}
        texts = batch([np.append(row, np.int32(EOS_ID)) for row in ROWS])
        arrays = module.estimate(texts, np.arange(len(ROWS)) % C, config, reporter=SILENT, **about, **sizes).tensors
    else:
        arrays = drawn(module, config, sizes)
    settings = json.loads(json.dumps(dataclasses.asdict(config)))
    again = lambda arrays: module.load(settings, arrays, **sizes)  # noqa: E731
    return SimpleNamespace(model=again(arrays), arrays=arrays, again=again)


def drawn(module, config, sizes) -> dict[str, np.ndarray]:
    """Large weights, so that all that is read matters."""
    import torch

    from seqcli.nn import weights

    torch.manual_seed(1)
    model = module.build(config, **sizes)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return weights.arrays(model)


CASES = [*ARCHS, *(f"{arch} x 2" for arch in TRAINED)]


@pytest.fixture(scope="module", params=CASES)
def whole(request):
    arch, _, members = request.param.partition(" x ")
    return made(arch, **({"members": 2} if members else {}))


@pytest.fixture
def model(whole):
    return whole.model


def batch(rows) -> TokenBatch:
    tokens = np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)
    return TokenBatch(tokens, np.array([len(row) for row in rows], np.int64))


def close(a, b, *, atol=1e-5) -> None:
    """Up to a constant a row."""
    a, b = (x - x.max(axis=1, keepdims=True) for x in (a, b))
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def test_logits_of_every_row(model):
    logits = model.classify(batch(ROWS))
    assert logits.dtype == np.float32 and logits.shape == (len(ROWS), C) and np.isfinite(logits).all()
    assert np.ptp(logits - logits[:, :1], axis=0).max() > 1e-3  # what is read matters


def test_a_row_does_not_depend_on_its_batch(model):
    together = model.classify(batch(ROWS))
    for number, row in enumerate(ROWS):
        close(model.classify(batch([row])), together[[number]])
    order = GENERATOR.permutation(64) % len(ROWS)
    close(model.classify(batch([ROWS[i] for i in order])), together[order])


def test_no_rows_have_no_logits(model):
    logits = model.classify(batch([]))
    assert logits.shape == (0, C) and logits.dtype == np.float32


def test_what_is_saved_comes_back(whole):
    copied = {name: np.array(array) for name, array in whole.arrays.items()}
    np.testing.assert_array_equal(whole.again(copied).classify(batch(ROWS)), whole.model.classify(batch(ROWS)))


@pytest.mark.parametrize("arch", ARCHS)
def test_arrays_that_do_not_fit_are_refused(arch):
    from seqcli.errors import ModelError

    whole = made(arch)
    for name in whole.arrays:
        with pytest.raises(ModelError):
            whole.again({other: array for other, array in whole.arrays.items() if other != name})
    wider = {name: np.zeros((*array.shape, 2), array.dtype) for name, array in whole.arrays.items()}
    with pytest.raises(ModelError):
        whole.again(wider)


def test_the_same_texts_give_the_same_arrays():
    for arch in set(ARCHS) - set(TRAINED):
        one, other = made(arch).arrays, made(arch).arrays
        assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[case for case in CASES if case.partition(" ")[0] in TRAINED])
def network(request):
    arch, _, members = request.param.partition(" x ")
    return made(arch, **({"members": 2} if members else {}))


def watched(model) -> list[tuple[int, int]]:
    """The shapes of tokens that it reads from now on."""
    seen, forward = [], model.forward

    def reading(tokens):
        seen.append(tuple(tokens.shape))
        return forward(tokens)

    model.forward = reading
    return seen


def test_padding_changes_nothing(network):
    """All rows in one pass, each in one of its own, and with padding that nobody asked for."""
    import torch

    from seqcli.text import BOS_ID, PAD

    model = network.model
    seen = watched(model)
    model.batch_tokens = 1 << 20
    together = model.classify(batch(ROWS))
    assert len(seen) == 1
    model.batch_tokens = 1
    close(model.classify(batch(ROWS)), together)
    assert len(seen) > len(ROWS) and max(b for b, _ in seen[1:]) == 1
    for number, row in enumerate(SHORT):
        tokens = torch.tensor([[BOS_ID, *row, *[PAD] * (WINDOW - 1 - len(row))]])
        with torch.inference_mode():
            close(model(tokens).numpy(), together[[number]])


def test_long_rows_are_read_in_windows_and_little_memory(network):
    model = network.model
    seen = watched(model)
    model.batch_tokens = 512
    long = np.tile(ROWS[6], 40)
    logits = model.classify(batch([long, ROWS[0]]))
    assert np.isfinite(logits).all() and max(b * t for b, t in seen) <= 512 and max(t for _, t in seen) <= WINDOW
    close(logits[1:], model.classify(batch([ROWS[0]])))
    parts = [long[begin : begin + WINDOW - 1] for begin in range(0, len(long), WINDOW - 1)]
    mean = np.average(model.classify(batch(parts)), axis=0, weights=list(map(len, parts)))
    close(logits[:1], mean[None], atol=1e-4)
    changed = long.copy()
    changed[-3:] = (changed[-3:] - 2) % (V - 3) + 3
    assert np.abs(model.classify(batch([changed])) - logits[:1]).max() > 1e-6  # to the end


@pytest.mark.parametrize("precision, atol", [("fp32", 1e-5), ("bf16", 0.05), ("int8", 0.1)])
def test_placed_it_says_nearly_the_same(network, precision, atol):
    from seqcli.training.device import place

    before = network.model.classify(batch(ROWS))
    network.model.place(place("cpu", precision, threads=1))
    after = network.model.classify(batch(ROWS))
    assert network.model.held and network.model.labels == C and after.dtype == np.float32
    close(after, before, atol=max(atol * np.ptp(before), atol))


@pytest.mark.parametrize("arch", TRAINED)
def test_settings_of_a_model_and_of_its_training_have_names_of_their_own(arch):
    """Users set both in one place, by name."""
    from seqcli.training.config import Plan

    assert not {f.name for f in dataclasses.fields(module_of(arch).Config)} & {f.name for f in dataclasses.fields(Plan)}


@pytest.mark.parametrize("arch", ARCHS)
def test_every_preset_can_be_meant(arch):
    """What a preset says is known to its model or to training."""
    from seqcli.training.config import Request, settings_of

    for preset in catalog.presets("classification", arch)[1]:
        module, settings, plan = settings_of(Request("classification", arch, preset, ()))
        assert isinstance(settings, module.Config) and module.TASK == "classification"
        assert plan is None if arch not in TRAINED else plan.epochs
