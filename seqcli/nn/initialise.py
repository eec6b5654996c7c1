"""Weight initialisation: normal values, residual outputs scaled down by depth (Radford et al. 2019), recurrent
weights orthogonal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


def initialise(module: nn.Module, *, deviation: float = 0.02, depth: int = 0) -> None:
    """Draws linear and embedding weights from a normal distribution and sets biases to zero. depth: number of
    residual branches that end in a linear named `out`."""
    for name, part in module.named_modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            scale = 1 / math.sqrt(2 * depth) if depth and name.rpartition(".")[2] == "out" else 1.0
            nn.init.normal_(part.weight, std=deviation * scale)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)


def initialise_recurrent(layers: Iterable[nn.RNNBase]) -> None:
    """Initialises recurrent layers. The forget gate bias of an LSTM is 1, so that it remembers at the beginning of training (Jozefowicz
    et al. 2015)."""
    for layer in layers:
        with _one_thread():
            nn.init.orthogonal_(layer.get_parameter("weight_hh_l0"))
        if isinstance(layer, nn.LSTM):
            bias = layer.get_parameter("bias_hh_l0")
            nn.init.ones_(bias[layer.hidden_size : 2 * layer.hidden_size].detach())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Uses one thread: LAPACK's QR rounds differently with other numbers of threads, and a seed should always give
    the same weights."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
