"""The values of the gates of a recurrent cell at each token, by the equations of PyTorch's RNN, LSTM and GRU.

    rnn    h' = tanh(W x + U h)                                                            (Elman 1990)
    lstm   i, f, o = sigmoid(...), g = tanh(...), c' = f c + i g, h' = o tanh(c')          (Hochreiter and Schmidhuber 1997)
    gru    r, z = sigmoid(...), n = tanh(W x + r (U h)), h' = (1 - z) n + z h              (Cho et al. 2014)

PyTorch's fused kernels return only the states, so the cells are computed again here, gate by gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcli.errors import UsageError
from seqcli.explain.model_inputs import classified_pieces, network_of, pieces_of, with_start
from seqcli.interfaces import OpenModel
from seqcli.results.views import Gate, GateLayer, Gates

if TYPE_CHECKING:
    from torch import Tensor

_NEAR = 0.1  # a value this close to an end of its range is saturated
_MOVING = 8  # number of units to report, those that change most
_DIGITS = 6
_SIGMOID = ("input", "forget", "output", "reset", "update")


def gates(opened: Any, text: str) -> Gates:
    """The gates of a recurrent language model or classifier. Raises UsageError for another model."""
    import torch

    from seqcli.nn.recurrent import RecurrentStack

    model = network_of(opened, what="gates", cure="use an rnn, lstm or gru")
    if not isinstance(model.body, RecurrentStack):
        raise UsageError(f"{opened.name} ({opened.arch}) has no gates", cure="use an rnn, lstm or gru model")
    language = isinstance(opened, OpenModel)
    pieces = pieces_of(opened, text)[:-1] if language else classified_pieces(opened.tokenizer, text)
    names, ids = with_start(pieces)
    layers, cell = [], type(model.body.layers[0]).__name__.lower()
    with torch.inference_mode():
        x = model.body.embedded(torch.tensor([ids]))[0]
        for layer in model.body.layers:
            computed = _run(layer, x)
            layers.append(GateLayer([_gate(name, values.numpy()) for name, values in computed.items()]))
            x = computed["hidden"]
    return Gates(cell, names, layers)


def _run(layer: Any, x: Tensor) -> Mapping[str, Tensor]:
    """Every gate and state of a layer (PyTorch's RNN, LSTM or GRU) for inputs x [T, D]: [T, units] each, by name."""
    import torch

    inputs = x @ layer.weight_ih_l0.T + layer.bias_ih_l0  # [T, gates x units]
    recurrent, bias = layer.weight_hh_l0, layer.bias_hh_l0
    h = c = torch.zeros(layer.hidden_size)
    kind = type(layer).__name__.lower()
    rows: list[dict[str, Tensor]] = []
    for step in inputs:
        own = recurrent @ h + bias
        if kind == "lstm":
            i, f, g, o = (step + own).chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            rows.append({"forget": f, "input": i, "candidate": g, "output": o, "cell": c, "hidden": h})
        elif kind == "gru":
            (a, b, n), (p, q, m) = step.chunk(3), own.chunk(3)
            r, z = (a + p).sigmoid(), (b + q).sigmoid()
            n = (n + r * m).tanh()
            h = (1 - z) * n + z * h
            rows.append({"reset": r, "update": z, "candidate": n, "hidden": h})
        else:
            h = (step + own).tanh()
            rows.append({"hidden": h})
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _gate(name: str, values: np.ndarray) -> Gate:
    low = 0.0 if name in _SIGMOID else -1.0
    saturated = float(((values < low + _NEAR) | (values > 1 - _NEAR)).mean())
    moving = np.abs(np.diff(values, axis=0)).sum(axis=0)
    return Gate(
        name,
        np.round(values.astype(np.float64), _DIGITS).tolist(),
        values.mean(axis=1, dtype=np.float64).tolist(),
        saturated,
        np.argsort(-moving, kind="stable")[:_MOVING].tolist(),
    )
