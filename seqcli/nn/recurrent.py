"""Recurrent layers with the dropout of AWD-LSTM.

Cells are PyTorch's fused kernels: rnn (Elman 1990), lstm (Hochreiter and Schmidhuber 1997), gru (Cho et al. 2014).
Dropout (Merity et al. 2018, sections 2 and 4): of recurrent weights, of layer outputs with one mask for all steps
(Gal and Ghahramani 2016), of whole words in the embedding.

Cells are also stepped one token at a time, for decoders whose next input depends on the last output.

The equations and the order of gates are those of PyTorch's `RNNCell`, `LSTMCell` and `GRUCell`. The projections of the inputs are
passed in, since they can be computed for all steps at once.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.nn.device import to_device
from seqcli.nn.layers import LockedDropout, Modules, dropout
from seqcli.nn.linear import Linear

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Hidden:
    """The hidden states of all layers: per layer a tuple of tensors [1, B, D] (two for lstm, one for the others)."""

    def __init__(self, layers: list[tuple[Tensor, ...]]):
        self.layers = layers

    def reorder(self, rows: np.ndarray) -> Hidden:
        index = to_device(np.asarray(rows, np.int64), self.layers[0][0].device)
        return Hidden([tuple(part[:, index].contiguous() for part in layer) for layer in self.layers])

    def joined(self, states: list[Hidden]) -> Hidden:
        return Hidden([
            tuple(torch.cat(parts, dim=1) for parts in zip(*layers)) for layers in zip(*(state.layers for state in states))
        ])  # fmt: skip

    def arrays(self) -> dict[str, Tensor]:
        """Its tensors by name, for a checkpoint; `of` restores them."""
        return {f"{i}.{j}": part for i, layer in enumerate(self.layers) for j, part in enumerate(layer)}

    @classmethod
    def of(cls, arrays: dict[str, Tensor]) -> Hidden:
        count = 1 + max(int(name.partition(".")[0]) for name in arrays)
        return cls([tuple(arrays[name] for name in sorted(arrays) if name.startswith(f"{i}.")) for i in range(count)])

    def detached(self) -> Hidden:
        """The same values without gradients, which truncates back-propagation through time."""
        return Hidden([tuple(part.detach().float() for part in layer) for layer in self.layers])


class RecurrentLayers(nn.Module):
    """Stacked recurrent layers of `widths` [in, ..., out]: [B, T, in] to [B, T, out] and the final state. dropout: of
    inputs, between layers and of the output; weight_dropout: of the recurrent matrices; embedding: module that makes
    the inputs, whose weights come first."""

    def __init__(
        self,
        *,
        cell: str,
        widths: list[int],
        dropout: float,
        weight_dropout: float,
        embedding: nn.Embedding | None = None,
    ):
        super().__init__()
        if embedding is not None:
            self.embedding = embedding
        self.weight_dropout = weight_dropout
        self.layers: Modules[nn.RNNBase] = Modules(
            CELLS[cell](inside, outside, batch_first=True) for inside, outside in pairwise(widths)
        )
        self.dropout = LockedDropout(dropout)

    def forward(self, x: Tensor, state: Hidden | None = None) -> tuple[Tensor, Hidden]:
        x, after = self.dropout(x), []
        for index, layer in enumerate(self.layers):
            before = None if state is None else state.layers[index]
            x, hidden = self._run(layer, x, before)
            x = self.dropout(x)
            after.append(hidden)
        return x, Hidden(after)

    def _run(
        self, layer: nn.RNNBase, x: Tensor, before: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        state = before[0] if before is not None and len(before) == 1 else before
        if self.training and self.weight_dropout:
            dropped = dropout(layer.get_parameter("weight_hh_l0"), self.weight_dropout)
            x, after = torch.func.functional_call(layer, {"weight_hh_l0": dropped}, (x, state))
        else:
            x, after = layer(x, state)
        return x, after if isinstance(after, tuple) else (after,)


class RecurrentStack(RecurrentLayers):
    """Embedding and recurrent layers: tokens [B, T] to features [B, T, out]. With a tied head `out` is the width of
    the embedding. word_dropout: probability of dropping rows of the embedding; other arguments as in
    `RecurrentLayers`."""

    def __init__(
        self, *, vocab_size: int, cell: str, embedding: int, width: int, layers: int, dropout: float,
        weight_dropout: float, word_dropout: float, out: int,
    ):  # fmt: skip
        widths = [embedding] + [width] * (layers - 1) + [out if layers > 1 else width]
        super().__init__(
            cell=cell, widths=widths, dropout=dropout, weight_dropout=weight_dropout,
            embedding=nn.Embedding(vocab_size, embedding),
        )  # fmt: skip
        self.word_dropout = word_dropout
        self.project = nn.Identity() if widths[-1] == out else Linear(widths[-1], out, bias=False)

    def forward(self, tokens: Tensor, state: Hidden | None = None) -> tuple[Tensor, Hidden]:
        return self.run(self.embedded(tokens), state)

    def run(self, x: Tensor, state: Hidden | None = None) -> tuple[Tensor, Hidden]:
        """The recurrent layers: [B, T, E] -> [B, T, out]."""
        x, state = super().forward(x, state)
        return self.project(x), state

    def embedded(self, tokens: Tensor) -> Tensor:
        """The embedding, [B, T] -> [B, T, E], with word dropout in training."""
        weight = self.embedding.weight
        if self.training and self.word_dropout:
            weight = weight * dropout(torch.ones_like(weight[:, :1]), self.word_dropout)
        return F.embedding(tokens, weight)


def backwards(x: Tensor, lengths: Tensor) -> Tensor:
    """[B, T, D] with the first `lengths` [B] of each row reversed and padding unchanged. It is its own inverse."""
    place = torch.arange(x.shape[1], device=x.device)[None]  # [1, T]
    index = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
    return x.gather(1, index[..., None].expand_as(x))


GATES = {"rnn": 1, "lstm": 4, "gru": 3}


class Cell(nn.Module):
    """A single recurrent step. kind: rnn (Elman 1990), lstm (Hochreiter and Schmidhuber 1997) or gru (Cho et al.
    2014); D: width; G: number of gates."""

    def __init__(self, kind: str, width: int):
        super().__init__()
        self.kind, self.width = kind, width
        self.recurrent = Linear(width, GATES[kind] * width)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.recurrent.bias)
        if kind == "lstm":  # forget gate bias 1 (Jozefowicz et al. 2015)
            nn.init.ones_(self.recurrent.bias[width : 2 * width].detach())

    def forward(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """inputs: [B, G D], of all gates; state: tensors [B, D], the first of which is the output."""
        return getattr(self, f"_{self.kind}")(inputs, *state)

    def _rnn(self, inputs: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        return (torch.tanh((inputs + self.recurrent(h)).float()),)  # the state stays in float32

    def _lstm(self, inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (inputs + self.recurrent(h)).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def _gru(self, inputs: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        own = self.recurrent(h)
        r, z = torch.sigmoid(inputs[..., : 2 * self.width] + own[..., : 2 * self.width]).chunk(2, dim=-1)
        n = torch.tanh(inputs[..., 2 * self.width :] + r * own[..., 2 * self.width :])
        return (n + z * (h - n),)
