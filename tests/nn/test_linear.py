"""Weights as they are held by a network that is asked: the same products, to the precision that was asked for."""

import dataclasses

import numpy as np
import pytest
import torch

from seqcli import catalog
from seqcli.errors import UsageError
from seqcli.nn.linear import Linear, _rounded
from seqcli.token_batch import TokenBatch
from seqcli.training.device import place

NETWORKS = [arch for arch in catalog.architectures("language") if arch != "ngram"]


@pytest.mark.parametrize("width, out", [(64, 48), (24, 5), (8, 3)])
@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype, error", [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.int8, 3e-2)])
def test_a_held_product_is_the_product(dtype, error, bias, rows, width, out):
    torch.manual_seed(0)
    linear, x = Linear(width, out, bias=bias), torch.randn(2, rows, width)
    with torch.inference_mode():
        exact = linear(x)
        linear.hold(dtype)
        held = linear(x).float()
    assert held.shape == exact.shape
    assert (held - exact).abs().max() <= error * exact.abs().max()


def test_few_numbers_of_rows_reach_onednn():
    """It keeps a kernel for each, so memory would grow with the number of lines."""
    rounded = [_rounded(rows) for rows in range(1, 5000)]
    assert all(rows <= more <= rows + rows // 8 for rows, more in enumerate(rounded, 1))
    assert rounded[:16] == list(range(1, 17)) and len(set(rounded)) < 90


def test_a_row_is_the_same_among_any_number():
    torch.manual_seed(0)
    linear, x = Linear(24, 40), torch.randn(77, 24)
    linear.hold(torch.float32)
    with torch.inference_mode():
        for rows in (1, 15, 17, 33, 70, 77):
            torch.testing.assert_close(linear(x[:rows]), linear(x)[:rows], rtol=1e-5, atol=1e-6)
        assert linear(x[:0]).shape == (0, 40) and linear(x.reshape(7, 11, 24)).shape == (7, 11, 40)


def test_a_channel_of_zeros_stays_zero_in_int8():
    linear = Linear(16, 4, bias=False)
    with torch.no_grad():
        linear.weight[2] = 0
    linear.hold(torch.int8)
    with torch.inference_mode():
        y = linear(torch.randn(3, 16))
    assert (y[:, 2] == 0).all() and torch.isfinite(y).all()


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.parametrize("precision, error", [("fp32", 1e-5), ("bf16", 0.1), ("int8", 0.1)])
def test_a_placed_network_scores_and_steps_as_before(arch, precision, error):
    name, presets = catalog.presets("language", arch)
    module = catalog.load("models", name)
    fields = {field.name for field in dataclasses.fields(module.Config)}
    torch.manual_seed(1)
    model = module.build(
        module.Config(**{k: v for k, v in presets["tiny"].items() if k in fields}), vocab_size=30
    ).eval()
    batch = TokenBatch(np.arange(3, 23, dtype=np.int32), np.array([5, 12, 3]))
    prompts = np.arange(3, 11, dtype=np.int32).reshape(2, 4)
    scores = model.score(batch).log_prob
    logits = model.extend(prompts, np.array([4, 4]))[0]
    model.place(place("cpu", precision))
    assert model.precision == precision and model.vocab_size == 30 and model.device.type == "cpu"
    np.testing.assert_allclose(model.score(batch).log_prob, scores, rtol=0, atol=error)
    np.testing.assert_allclose(model.extend(prompts, np.array([4, 4]))[0], logits, rtol=0, atol=error)


def test_int8_is_for_processors():
    with pytest.raises(UsageError, match="int8"):
        place("meta", "int8")
