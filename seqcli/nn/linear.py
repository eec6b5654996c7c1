"""The one place where features are multiplied by weights: which kernel, and how the weights are held, is decided here.

While it learns, a `Linear` is PyTorch's. A network that is only asked holds its weights as they are read best (`hold`):

- On a processor oneDNN lays them out for its own kernels, once. For one row these read weights at the speed of memory,
  2 to 2.5 times as fast as PyTorch's product of a matrix and a vector; for many rows float32 gains as much where that
  product is MKL's and the processor not Intel's, bfloat16 a tenth (docs/LOG.md has the figures).
- int8 are weights alone: w = scale of the output channel x whole number in [-127, 127]. Products are bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FEW = 16  # rows up to which multiplying by int8 weights is faster than widening them first
_STRIDE = (
    16  # numbers that PyTorch's int8 kernel reads at a time: a row that is no multiple of it is read beyond its end
)


class Linear(nn.Linear):
    """x [..., D] -> [..., out]; in inference (after `hold`), in the dtype of the products."""

    _product: Callable[[Tensor], Tensor] | None = None

    @property
    def held(self) -> bool:
        return self._product is not None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias) if self._product is None else self._product(x)

    def hold(self, dtype: torch.dtype) -> None:
        """Lays out the weights for inference in `dtype`. They cannot change any more, and the original ones are
        freed."""
        assert not self.held, "weights are held once"
        weight = self.weight.detach()
        bias = None if self.bias is None else self.bias.detach().to(torch.bfloat16 if dtype == torch.int8 else dtype)
        if dtype == torch.int8:
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


class _Plain:
    def __init__(self, weight: Tensor, bias: Tensor | None):
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self._weight.dtype), self._weight, self._bias)


class _OneDNN:
    def __init__(self, weight: Tensor, bias: Tensor | None):
        self._weight, self._bias = torch.ops.mkldnn._reorder_linear_weight(weight), bias

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.to(self._weight.dtype).reshape(-1, x.shape[-1])
        count = len(rows)
        if more := _rounded(count) - count:
            rows = F.pad(rows, (0, 0, 0, more))
        y = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return y[:count].view(*x.shape[:-1], y.shape[-1])


def _rounded(rows: int) -> int:
    """The number of rows, rounded up by at most an eighth. oneDNN compiles and keeps a kernel of about 100 kB for
    each number of rows, so only eight numbers between powers of two are used."""
    step = 1 << max(0, rows.bit_length() - 4)
    return -(-rows // step) * step


def _laid_out(dtype: torch.dtype) -> bool:
    """Whether oneDNN is available and multiplies in `dtype` natively."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _Int8:
    def __init__(self, weight: Tensor, bias: Tensor | None):
        scale = weight.abs().amax(dim=1).clamp_min(1e-12) / 127
        self._weight = (weight / scale[:, None]).round_().to(torch.int8)  # [out, D]
        self._scale, self._bias = scale.to(torch.bfloat16), bias  # [out]

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.to(torch.bfloat16).reshape(-1, x.shape[-1])
        if len(rows) <= _FEW and rows.shape[1] % _STRIDE == 0:
            y = torch._weight_int8pack_mm(rows, self._weight, self._scale)
        else:
            y = F.linear(rows, self._weight.to(torch.bfloat16)) * self._scale
        return (y if self._bias is None else y + self._bias).view(*x.shape[:-1], -1)
