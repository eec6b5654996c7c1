"""The weights of a network: initialised, as named arrays, and restored from them.

Initialisation draws normal values, scales residual outputs down by depth (Radford et al. 2019) and makes recurrent weights orthogonal.
Arrays are checked before anything is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqcli.errors import ModelError
from seqcli.nn.device import one_thread

Model = TypeVar("Model", bound=nn.Module)


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
        with one_thread():  # LAPACK's QR rounds differently with others; a seed should always give the same weights
            nn.init.orthogonal_(layer.get_parameter("weight_hh_l0"))
        if isinstance(layer, nn.LSTM):
            bias = layer.get_parameter("bias_hh_l0")
            nn.init.ones_(bias[layer.hidden_size : 2 * layer.hidden_size].detach())


def arrays(model: nn.Module) -> dict[str, np.ndarray]:
    """The weights as numpy arrays."""
    return {name: whole(tensor).cpu().numpy() for name, tensor in tensors(model).items()}


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every weight once, by name: a head tied to the embedding is stored as the embedding."""
    named: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        named.setdefault(id(tensor), (name, tensor.detach()))
    return dict(named.values())


def whole(tensor: Tensor) -> Tensor:
    """A weight gathered from all ranks if it is sharded; all ranks must call this."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def like(tensor: Tensor, own: Tensor) -> Tensor:
    """This rank's shard of a tensor if `own` is sharded; all ranks must call this."""
    if not hasattr(own, "full_tensor"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(own, DTensor)
    return distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements)


def outline(make: Callable[[], Model]) -> Model:
    """The model built by `make`, without memory for its weights: on the device "meta"."""
    with torch.device("meta"), _Undrawn():
        return make()


class _Undrawn(TorchFunctionMode):
    """Skips weight initialisation: random numbers on the meta device make torch import its compiler, which takes a
    second."""

    def __torch_function__(self, function, types, arguments=(), named=None):
        if getattr(function, "__module__", None) == "torch.nn.init" or function in (Tensor.normal_, Tensor.uniform_):
            return arguments[0] if arguments else named["tensor"]
        return function(*arguments, **(named or {}))


def restored(make: Callable[[], Model], named: Mapping[str, np.ndarray]) -> Model:
    """The model built by `make`, with these weights. Raises ModelError if names or shapes differ. The model is first
    built without memory, so that wrong settings do not allocate any."""
    model = outline(make)
    parameters = model.state_dict(keep_vars=True)
    twins: dict[int, str] = {}
    alias = {name: twins.setdefault(id(tensor), name) for name, tensor in parameters.items()}
    expected = {name: tuple(tensor.shape) for name, tensor in parameters.items() if alias[name] == name}
    found = {name: tuple(array.shape) for name, array in named.items()}
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))[0]
        what = f"weights do not fit the settings: {odd} is {found.get(odd)}, {expected.get(odd)} expected"
        raise ModelError(what, cure="restore the model or train again")
    tensors = {name: torch.from_numpy(np.array(named[name])) for name in expected}
    model.load_state_dict({name: tensors[alias[name]] for name in parameters}, assign=True)
    for name, first in alias.items():
        if name != first:
            place, _, last = name.rpartition(".")
            where, _, own = first.rpartition(".")
            setattr(model.get_submodule(place), last, getattr(model.get_submodule(where), own))
    return model.eval()
