"""Weights as they are held by a network that is asked: the same products, to the precision that was asked for."""

import dataclasses

import numpy as np
import pytest
import torch

from seqcli import catalog
from seqcli.errors import UsageError
from seqcli.nn.linear import INT4, W8A8, Linear, _rounded, grouped_in_4_bits
from seqcli.token_batch import TokenBatch
from seqcli.training.device import place

VNNI = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="a processor with VNNI")
NETWORKS = [arch for arch in catalog.architectures("language") if arch != "ngram"]


@pytest.mark.parametrize("width, out", [(64, 48), (24, 5), (8, 3)])
@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "dtype, error",
    [
        (torch.float32, 1e-5),
        (torch.bfloat16, 2e-2),
        (torch.int8, 3e-2),
        pytest.param(W8A8, 3e-2, marks=VNNI),
        (INT4, 0.15),
    ],
)
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


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(W8A8, marks=VNNI)])
def test_a_row_is_the_same_among_any_number(dtype):
    torch.manual_seed(0)
    linear, x = Linear(24, 40), torch.randn(77, 24) * torch.arange(1, 78)[:, None]
    linear.hold(dtype)
    with torch.inference_mode():
        for rows in (1, 15, 17, 33, 70, 77):
            torch.testing.assert_close(linear(x[:rows]), linear(x)[:rows], rtol=1e-5, atol=1e-6)
        assert linear(x[:0]).shape == (0, 40) and linear(x.reshape(7, 11, 24)).shape == (7, 11, 40)


@pytest.mark.parametrize("dtype", [torch.int8, pytest.param(W8A8, marks=VNNI), INT4])
def test_a_channel_of_zeros_stays_zero(dtype):
    linear = Linear(32, 4, bias=False)
    with torch.no_grad():
        linear.weight[2] = 0
    linear.hold(dtype)
    with torch.inference_mode():
        y = linear(torch.randn(3, 32))
    assert (y[:, 2] == 0).all() and torch.isfinite(y).all()


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.parametrize(
    "precision, error",
    [("fp32", 1e-5), ("bf16", 0.1), ("int8", 0.1), pytest.param("w8a8", 0.1, marks=VNNI), ("int4", 0.4)],
)
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


@pytest.mark.parametrize("outside", [1, 16, 35])
def test_int4_multiplies_by_what_its_numbers_stand_for(outside):
    """The kernel, against its numbers, scales and offsets one by one; and no weight is further off than half a step of the
    unclipped range, but for those that were clipped for the sake of the others."""
    torch.manual_seed(0)
    weight, x = torch.randn(outside, 96), torch.randn(5, 96).bfloat16()
    quantised, scale, offset = grouped_in_4_bits(weight)
    assert quantised.min() >= 0 and quantised.max() <= 15
    meant = torch.zeros(outside, 96)
    for row in range(outside):
        for column in range(96):
            of = row, column // 32
            meant[row, column] = float(scale[of]) * (int(quantised[row, column]) - 8) + float(offset[of])
    linear = Linear(96, outside, bias=False)
    with torch.no_grad():
        linear.weight.copy_(weight)
    linear.hold(INT4)
    with torch.inference_mode():
        torch.testing.assert_close(linear(x).float(), x.float() @ meant.T, rtol=2e-2, atol=6e-2)
    groups = weight.view(outside, 3, 32)
    step = (groups.amax(-1) - groups.amin(-1)) / 15
    rounded = (meant - weight).view(outside, 3, 32).square().mean(-1).sqrt()
    assert (rounded <= step / 12**0.5 * 1.2).all()  # of a uniform error, and clipping has not made it worse


@VNNI
def test_w8a8_multiplies_integers():
    """Row by row and channel by channel: a scale times a scale times the product of whole numbers, which is exact."""
    torch.manual_seed(0)
    x, weight = torch.randn(3, 40) * torch.tensor([[1], [1000], [0]]), torch.randn(7, 40)
    linear = Linear(40, 7, bias=False)
    with torch.no_grad():
        linear.weight.copy_(weight)
    linear.hold(W8A8)
    rows, channels = (
        np.maximum(abs(part.numpy()).max(1, keepdims=True), 1e-12) / np.float32(127) for part in (x, weight)
    )
    whole = [np.rint(part.numpy() / scale).astype(np.int64) for part, scale in ((x, rows), (weight, channels))]
    expected = (whole[0] @ whole[1].T) * rows.astype(float) * channels.T
    with torch.inference_mode():
        np.testing.assert_allclose(linear(x).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["int8", "w8a8", "int4"])
def test_integers_are_for_processors(precision):
    with pytest.raises(UsageError, match=precision):
        place("meta", precision)
