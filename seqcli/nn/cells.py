"""Recurrent cells one step at a time, for decoders whose next input depends on the last output.

The equations and the order of gates are those of PyTorch's `RNNCell`, `LSTMCell` and `GRUCell`; what comes of the input is
given, for it can be computed for all steps at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.nn.linear import Linear

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


class Cell(nn.Module):
    """kind rnn (Elman 1990), lstm (Hochreiter and Schmidhuber 1997) or gru (Cho et al. 2014); D its width, G its gates."""

    def __init__(self, kind: str, width: int):
        super().__init__()
        self.kind, self.width = kind, width
        self.recurrent = Linear(width, GATES[kind] * width)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.recurrent.bias)
        if kind == "lstm":  # remember by default (Jozefowicz et al. 2015)
            nn.init.ones_(self.recurrent.bias[width : 2 * width].detach())

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """inputs: [B, G D], of all gates; state: tensors [B, D], the first of them the output."""
        return getattr(self, f"_{self.kind}")(inputs, *state)

    def _rnn(self, inputs: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        return (torch.tanh((inputs + self.recurrent(h)).float()),)  # the state stays exact

    def _lstm(self, inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (inputs + self.recurrent(h)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def _gru(self, inputs: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        own = self.recurrent(h)
        r, z = torch.sigmoid(inputs[..., : 2 * self.width] + own[..., : 2 * self.width]).chunk(2, dim=-1)
        n = torch.tanh(inputs[..., 2 * self.width :] + r * own[..., 2 * self.width :])
        return (n + z * (h - n),)
