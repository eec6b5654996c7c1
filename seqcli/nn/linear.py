"""Linear layers: which kernel multiplies by the weights, and how the weights are stored, is decided only here.

In training, a `Linear` is PyTorch's. For inference its weights are packed (`hold`):

- On a CPU, oneDNN packs them once for its own kernels. For one row these run at memory bandwidth, 2 to 2.5 times as fast as PyTorch's
  matrix-vector product; for many rows float32 gains as much on non-Intel processors with MKL, and bfloat16 10 % (docs/LOG.md has the
  figures).
- int8 quantizes only the weights: w = scale of the output channel x integer in [-127, 127]. Products are computed in bfloat16.
- w8a8 also quantizes the activations, each row of x with a scale of its own, so that the processor's products of 8-bit integers (VNNI)
  are used: as fast as int8 for one row, 1.7 times as fast for 8 or more. Results are float32.
- int4 also quantizes only the weights: w = scale of its group x (integer in [0, 15] - 8) + offset of its group, where a group is 32
  weights of one output channel. A single row is limited by memory bandwidth, so int4 is twice as fast as int8; for many rows it is
  slower than bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FEW = 16  # maximum number of rows for which an int8 product is faster than casting the weights first
_GROUP, _PANEL = 32, 16  # weights per scale, and output channels per block of PyTorch's int4 kernel
_CLIPPED = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # fractions of the range of a group that are tried
INT4: torch.dtype = torch.int4  # type: ignore[attr-defined]  # missing in PyTorch's stubs
W8A8 = torch.qint8
WEIGHTS_ALONE = (torch.int8, INT4)  # dtypes of weights with products in bfloat16
_STRIDE = 16  # PyTorch's int8 kernel reads this many numbers at a time, beyond the end of a row that is not a multiple


class Linear(nn.Linear):
    """x [..., D] -> [..., out]; in inference (after `hold`), in the dtype of the products."""

    _product: Callable[[Tensor], Tensor] | None = None

    @property
    def held(self) -> bool:
        return self._product is not None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias) if self._product is None else self._product(x)

    def hold(self, dtype: torch.dtype) -> None:
        """Packs the weights for inference in `dtype`. They can no longer be changed, and the original weights are
        freed."""
        assert not self.held, "weights are held once"
        weight = self.weight.detach()
        bias = None if self.bias is None else self.bias.detach().to(multiplied_in(dtype))
        if dtype == INT4 and weight.shape[1] % _GROUP == 0:
            self._product = _Int4(weight, bias)
        elif dtype == W8A8:
            self._product = _W8A8(weight, bias)
        elif dtype in WEIGHTS_ALONE:
            self._product = _Int8(weight, bias)
        elif weight.device.type == "cpu" and _laid_out(dtype):
            self._product = _OneDNN(weight.to(dtype), bias)
        else:
            self._product = _Plain(weight.to(dtype), bias)
        self.weight = nn.Parameter(weight.to("meta"), requires_grad=False)  # a tied embedding keeps its own copy


def hold(model: nn.Module, dtype: torch.dtype) -> None:
    """`Linear.hold` for all linear layers of a module."""
    for part in model.modules():
        if isinstance(part, Linear):
            part.hold(dtype)


def multiplied_in(dtype: torch.dtype) -> torch.dtype:
    """The dtype of products with weights held in `dtype`."""
    return torch.bfloat16 if dtype in WEIGHTS_ALONE else torch.float32 if dtype == W8A8 else dtype


class _Plain:
    def __init__(self, weight: Tensor, bias: Tensor | None):
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self._weight.dtype), self._weight, self._bias)


class _OneDNN:
    def __init__(self, weight: Tensor, bias: Tensor | None):
        self._weight, self._bias = torch.ops.mkldnn._reorder_linear_weight(weight), bias

    def __call__(self, x: Tensor) -> Tensor:
        rows, count = _rounded_up(x.to(self._weight.dtype))
        y = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return y[:count].view(*x.shape[:-1], y.shape[-1])


def _rounded_up(x: Tensor) -> tuple[Tensor, int]:
    """The rows of x [..., D], followed by rows of zeros to a rounded number, and how many are its own."""
    given = x.reshape(-1, x.shape[-1])
    count = len(given)
    if (rounded := _rounded(count)) == count:
        return given, count
    rows = given.new_empty(rounded, given.shape[1])
    rows[:count], rows[count:] = given, 0
    return rows, count


def _rounded(rows: int) -> int:
    """The number of rows, rounded up by at most an eighth. oneDNN compiles and keeps a kernel of about 100 kB for
    each number of rows, so only eight numbers between powers of two are used."""
    step = 1 << max(0, rows.bit_length() - 4)
    return -(-rows // step) * step


def _laid_out(dtype: torch.dtype) -> bool:
    """Whether oneDNN is available and supports `dtype` natively."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _Int8:
    def __init__(self, weight: Tensor, bias: Tensor | None):
        self._weight, scale = in_8_bits(weight)
        self._scale, self._bias = scale.to(torch.bfloat16), bias  # [out]

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.to(torch.bfloat16).reshape(-1, x.shape[-1])
        if len(rows) <= _FEW and rows.shape[1] % _STRIDE == 0:
            y = torch._weight_int8pack_mm(rows, self._weight, self._scale)
        else:
            y = F.linear(rows, self._weight.to(torch.bfloat16)) * self._scale
        return (y if self._bias is None else y + self._bias).view(*x.shape[:-1], -1)


class _W8A8:
    """oneDNN has fast kernels for unsigned activations only, so their integers in [-127, 127] are shifted by 128."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        quantised, self._scale = in_8_bits(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(quantised, None)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        rows, count = _rounded_up(x.float())
        scale = rows.abs().amax(dim=1, keepdim=True).clamp_min_(1e-12).div_(127)
        shifted = (rows / scale).round_().add_(128).to(torch.uint8)
        y = torch.ops.onednn.qlinear_pointwise(
            shifted, 1.0, 128, self._weight, self._scale, self._zeros, None, 1.0, 0, torch.float32, "none", [], ""
        ).mul_(scale)  # fmt: skip
        y = y if self._bias is None else y.add_(self._bias)
        return y[:count].view(*x.shape[:-1], y.shape[-1])


def in_8_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 [out, D] in [-127, 127], and the scales of the output channels, float32 [out], of weights [out, D]."""
    scale = weight.float().abs().amax(dim=1).clamp_min(1e-12) / 127
    return (weight / scale[:, None]).round_().to(torch.int8), scale


class _Int4:
    """Weights with a width that is a multiple of `_GROUP`."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        self._outside, self._bias = len(weight), bias
        quantised, scale, offset = grouped_in_4_bits(F.pad(weight.float(), (0, 0, 0, -len(weight) % _PANEL)))
        self._weight = torch.ops.aten._convert_weight_to_int4pack_for_cpu(quantised, 1)
        self._scales = torch.stack([scale, offset], dim=-1).transpose(0, 1).contiguous()  # [groups, out, 2]

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.to(torch.bfloat16).reshape(-1, x.shape[-1]).contiguous()
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self._weight, _GROUP, self._scales)[:, : self._outside]
        return (y if self._bias is None else y + self._bias).view(*x.shape[:-1], -1)


def grouped_in_4_bits(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """int32 [out, D] in [0, 15], and the scales and offsets of groups of `_GROUP`, bfloat16 [out, D / _GROUP], of weights [out, D].

    The range of a group is clipped to minimise the sum of squared errors: a few large weights would reduce the precision of all others.
    """
    groups = weight.unflatten(1, (-1, _GROUP))  # [out, groups, _GROUP]
    low, high = groups.amin(-1), groups.amax(-1)
    best: list[Tensor] = []
    for share in _CLIPPED:
        scale = ((high - low) * (share / 15)).clamp_min(1e-12).to(torch.bfloat16)
        offset = (low * share + 8 * scale.float()).to(torch.bfloat16)
        wide, middle = scale.float()[..., None], offset.float()[..., None]
        quantised = ((groups - middle) / wide + 8).round_().clamp_(0, 15)
        error = ((quantised - 8) * wide + middle - groups).square_().sum(-1)
        found = [error, scale, offset, quantised.to(torch.int32)]
        if best:
            better = error < best[0]
            found = [
                torch.where(better[..., None] if new.ndim > better.ndim else better, new, old)
                for new, old in zip(found, best)
            ]
        best = found
    _, scale, offset, quantised = best
    return quantised.flatten(1), scale, offset
