"""Reduces the size of views for a page: numbers are rounded, and matrices are encoded as strings.

A number of a matrix takes two characters, which encode 4,096 steps of its range: finer than the three digits displayed, and
a third of the size of decimals. Attention with more than `_MOST` weights is averaged over the heads of each layer, then
over layers; of gates only the units that vary most are kept. The object notes what was left out, so that the page can say
so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 2_000_000  # maximum number of values in a view's matrices: 4 MB of the page
_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def packed(view: Mapping[str, Any]) -> dict[str, Any]:
    """A view in the form that the page's script reads. NaN and infinities become None, since JSON does not have them."""
    makers = {"surprisal": _surprisal, "attention": _attention, "gates": _gates, "positions": _positions}
    pack = makers.get(view["view"], _same)
    return _short(pack(view))


def _same(view: Mapping[str, Any]) -> dict[str, Any]:
    return dict(view)


def _surprisal(view: Mapping[str, Any]) -> dict[str, Any]:
    """Predictions as pairs: repeated field names would be half of the page."""
    tokens = [
        {**token, "expected": [[each["token"], float(f"{each['probability']:.3g}")] for each in token["expected"]]}
        for token in view["tokens"]
    ]
    return {**view, "tokens": tokens}


def _attention(view: Mapping[str, Any]) -> dict[str, Any]:
    layers = [layer["heads"] for layer in view["layers"]]
    size = len(view["queries"]) * len(view["keys"])
    averaged = None
    if size * sum(map(len, layers)) > _MOST:
        averaged = "heads"
        layers = [[_mean(heads)] for heads in layers]
        if size * len(layers) > _MOST:
            averaged = "layers"
            layers = [[_mean([head for heads in layers for head in heads])]]
    return {
        **view,
        "layers": [[_head(head, view["width"]) for head in layer] for layer in layers],
        "averaged": averaged,
    }


def _head(head: Mapping[str, Any], width: int | None) -> dict[str, Any]:
    """With `scaled`, q . k / sqrt(width), in place of q . k; keys that a query does not see have the lowest value."""
    import numpy as np

    weights = np.asarray(head["weights"])
    kept = {name: value for name, value in head.items() if name != "dots"} | {"weights": _matrix(weights, 0.0, 1.0)}
    if head.get("dots") is None or not width:
        return kept | {"values": None}
    scaled = np.where(weights > 0, np.asarray(head["dots"]) / width**0.5, -np.inf)
    low, high = float(scaled[weights > 0].min()), float(scaled.max())
    margin = 0.01 * (high - low) + 1e-6
    return kept | {"scaled": _matrix(scaled, low - margin, high + margin, digits=3)}


def _mean(heads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean over heads of their weights and of their summary statistics."""
    import numpy as np

    if len(heads) == 1:
        return dict(heads[0])
    weights = np.zeros(np.shape(heads[0]["weights"]))
    for head in heads:
        weights += np.asarray(head["weights"])
    summaries = {name: [head[name] for head in heads] for name in ("previous", "first", "own", "entropy")}
    means = {name: None if None in values else sum(values) / len(values) for name, values in summaries.items()}
    return {"weights": weights / len(heads), **means}


def _gates(view: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    layers = [layer["gates"] for layer in view["layers"]]
    room = max(1, _MOST // max(1, len(view["tokens"]) * sum(map(len, layers))))
    shown = []
    for layer in layers:
        gates = []
        for gate in layer:
            values = np.asarray(gate["values"], np.float64).reshape(len(view["tokens"]), -1)
            moved = np.abs(np.diff(values, axis=0)).sum(axis=0)
            units = np.argsort(-moved, kind="stable")[:room]
            low, high = (0.0, 1.0) if values.min(initial=0) >= 0 and values.max(initial=0) <= 1 else _symmetric(values)
            gates.append(
                {**gate, "values": _matrix(values[:, units], low, high), "units": units.tolist(), "of": values.shape[1]}
            )
        shown.append(gates)
    return {**view, "layers": shown}


def _symmetric(values: Any) -> tuple[float, float]:
    most = max(1.0, float(abs(values).max()))
    return -most, most


def _positions(view: Mapping[str, Any]) -> dict[str, Any]:
    return {**view, "similarity": _matrix(view["similarity"], -1.0, 1.0)}


def _matrix(values: Any, low: float, high: float, *, digits: int = 2) -> dict[str, Any]:
    """Encodes values [R][C] in [low, high], row by row, with two characters each: the higher six bits first."""
    import numpy as np

    array = np.nan_to_num(np.asarray(values, np.float64))
    levels = np.rint((array.clip(low, high) - low) / (high - low) * (64**digits - 1)).astype(np.uint32)
    parts = np.stack([levels >> 6 * place & 63 for place in reversed(range(digits))], axis=-1)
    written = np.frombuffer(_CHARACTERS, np.uint8)[parts].tobytes().decode("ascii")
    return {
        "rows": array.shape[0],
        "columns": array.shape[1],
        "low": low,
        "high": high,
        "digits": digits,
        "packed": written,
    }


def _short(value: Any) -> Any:
    """Rounds floats to five significant digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list | tuple) else value
