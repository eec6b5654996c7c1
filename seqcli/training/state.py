"""All tensors needed for resuming as named arrays, and back: weights, optimizer, average, random states, carried
state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli.errors import ModelError
from seqcli.nn import weights
from seqcli.nn.inference import Network
from seqcli.runs import checkpoint
from seqcli.system import memory
from seqcli.training.averaging import Average


def arrays(model: Network, optimizer: torch.optim.Optimizer, average: Average, carried: Any) -> dict[str, np.ndarray]:
    """All tensors by name, with the prefix `weight.`, `optimizer.`, `average.`, `random.` or `carried.`"""
    tensors: dict[str, Tensor] = {"random.cpu": torch.get_rng_state()}
    if model.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(model.device)
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
    tensors |= {f"average.{name}": tensor for name, tensor in average.arrays().items()}
    if carried is not None:
        tensors |= {f"carried.{name}": tensor for name, tensor in carried.arrays().items()}
    own = {f"weight.{name}": array for name, array in weights.arrays(model).items()}
    return own | {name: weights.whole(tensor).cpu().numpy() for name, tensor in tensors.items()}


def restore(named: Mapping[str, np.ndarray], model: Network, optimizer: torch.optim.Optimizer, average: Average) -> Any:
    """Restores the result of `arrays` and returns the carried state. Raises ModelError if it does not match the
    model."""
    try:
        return _restored(named, model, optimizer, average)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        if memory.is_exhausted(error):
            raise
        raise ModelError(f"the checkpoint does not fit the model ({error})", cure=checkpoint.CURE) from None


def _restored(
    named: Mapping[str, np.ndarray], model: Network, optimizer: torch.optim.Optimizer, average: Average
) -> Any:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, array in named.items():
        kind, _, rest = name.partition(".")
        parts.setdefault(kind, {})[rest] = torch.from_numpy(np.array(array))
    with torch.no_grad():
        own = weights.tensors(model)
        _compare(parts["weight"], own)
        for name, tensor in parts["weight"].items():
            own[name].copy_(weights.like(tensor, own[name]))
    learnt = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts.get("optimizer", {}).items():
        index, _, key = name.partition(".")
        weight = learnt[int(index)]
        state.setdefault(int(index), {})[key] = weights.like(tensor, weight) if tensor.shape == weight.shape else tensor
    for group in optimizer.state_dict()["param_groups"]:
        kept = {frozenset(state[index]) for index in group["params"] if index in state}
        if len(kept) > 1:
            raise ValueError("the optimizer state of a weight is missing")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    averages = parts.get("average", {})
    if averages:
        _compare({name: tensor for name, tensor in averages.items() if name != "count"}, dict(model.named_parameters()))
    average.restore(averages)
    torch.set_rng_state(parts["random"]["cpu"])
    if "cuda" in parts["random"] and model.device.type == "cuda":
        torch.cuda.set_rng_state(parts["random"]["cuda"], model.device)
    carried = {name: tensor.to(model.device) for name, tensor in parts.get("carried", {}).items()}
    return model.carried.of(carried) if carried else None


def _compare(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raises ValueError if names or shapes differ."""
    if different := saved.keys() ^ own.keys() or {name for name in own if saved[name].shape != own[name].shape}:
        raise ValueError(f"{min(different)} is missing or has another shape")
