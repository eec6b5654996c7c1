"""Data parallel training under torchrun: which rows each process takes, and the sums over processes.

Every rank reads the same batches and takes every world-th row of each; gradients, losses and counts are summed, never
averaged, so a step is that of one process with the whole batch. With a single process all methods are no-ops.

Gradients are summed here, after the last batch of a step, and not by DistributedDataParallel, which overlaps the communication
with the backward pass, but requires calls of the module's forward (our loss is a method of its own), averages over the ranks, and
hangs if a rank does not use a layer. For GPT-2 this sends 0.5 GB per step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from seqcli.data.batches import NOT_COUNTED, Example
from seqcli.errors import InputError, SeqcliError, UsageError
from seqcli.interfaces import Reporter
from seqcli.nn.inference import Network
from seqcli.nn.transformer import TransformerStack
from seqcli.system import torchrun

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule

_PATIENCE = timedelta(minutes=10)  # while rank 0 saves, the others wait
_BUCKET = 1 << 24  # number of elements summed at a time
_OWN = ("random.", "carried.")  # tensors of a checkpoint that differ between ranks


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Joins the ranks: all enter and leave the context together."""
    if torchrun.world() == 1:
        yield Ranks(0, 1)
        return
    with _meeting():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    yield Ranks(torchrun.rank(), torchrun.world())
    with _meeting():
        dist.barrier()
    dist.destroy_process_group()


class Ranks:
    """Process number `rank` of `world`."""

    def __init__(self, rank: int, world: int):
        self.rank, self.world = rank, world
        self._sharded: FSDPModule | None = None

    def rows(self, example: Example) -> Example:
        """The rows of this rank; if there are too few, one row that is not counted, so that all ranks run the same
        operations."""
        inputs, targets = (part[self.rank :: self.world] for part in (example.inputs, example.targets))
        if not len(inputs):
            inputs, targets = example.inputs[:1], np.full_like(example.targets[:1], NOT_COUNTED)
        return example._replace(inputs=inputs, targets=targets)

    def sum_(self, tensors: list[Tensor]) -> None:
        """Replaces each tensor by its sum over all ranks. Gradients of a sharded model are already summed."""
        if self.world > 1:
            for bucket in _buckets([tensor for tensor in tensors if not hasattr(tensor, "full_tensor")]):
                flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
                with _meeting():
                    dist.all_reduce(flat)
                for tensor, part in zip(bucket, flat.split([tensor.numel() for tensor in bucket])):
                    tensor.copy_(part.view_as(tensor))

    def shard(self, model: Network) -> None:
        """Shards the weights over the ranks; layers are gathered when they are used."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # takes a second

        if self.world == 1:
            raise UsageError("needs several processes", where="shard", cure="start several with torchrun")
        if not isinstance(
            model.body, TransformerStack
        ):  # other networks use weights outside of the layers that own them
            raise UsageError("only transformers can be sharded", where="shard", cure="leave it out")
        mesh = init_device_mesh(model.device.type, (self.world,))
        for part in (*model.body.layers, model):
            self._sharded = fully_shard(part, mesh=mesh)  # the last one is the model
            self._sharded.set_gradient_divide_factor(1.0)
            self._sharded.set_force_sum_reduction_for_comms(True)  # gloo supports no other
        for method in ("loss", "score"):
            register_fsdp_forward_method(model, method)

    def reshard(self) -> None:
        """Reshards the weights after scoring, which leaves some of them gathered."""
        if self._sharded is not None:
            self._sharded.reshard()

    def sums(self, *numbers: float) -> list[float]:
        """The sum of each number over all ranks, computed on the CPU."""
        numbers_ = torch.tensor(numbers, dtype=torch.float64)
        self.sum_([numbers_])
        return numbers_.tolist()

    def first(self, number: float) -> float:
        """The value of rank 0: decisions must be the same on all ranks, bit for bit."""
        return self.firsts(number)[0]

    def firsts(self, *numbers: float) -> list[float]:
        """As `first`, for several values in one communication."""
        return self.sums(*(0.0 if self.rank else number for number in numbers))

    def agree(self, value: str, *, what: str) -> None:
        """Raises InputError if the ranks have different values."""
        values = [value] * self.world
        if self.world > 1:
            with _meeting():
                dist.all_gather_object(values, value)
        if len({*values}) > 1:
            cure = "give all of them the same files, and versions"
            raise InputError(f"the processes read different {what}", cure=cure)

    def gathered(self, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """For rank 0: the tensors of a checkpoint, with those that are specific to other ranks as `rank1.NAME` ..."""
        if self.world == 1:
            return tensors
        parts: list[Any] | None = None if self.rank else [{}] * self.world
        with _meeting():
            dist.gather_object({name: a for name, a in tensors.items() if name.startswith(_OWN)}, parts)
        others = enumerate((parts or [{}])[1:], 1)
        return {**tensors, **{f"rank{r}.{name}": array for r, part in others for name, array in part.items()}}

    def own(self, tensors: Mapping[str, np.ndarray], reporter: Reporter) -> dict[str, np.ndarray]:
        """This rank's part of the result of `gathered`. With another number of ranks, only the shared tensors, and a
        note."""
        mine = {name: array for name, array in tensors.items() if not re.match(r"rank\d+\.", name)}
        world = 1 + len({name.partition(".")[0] for name in tensors.keys() - mine.keys()})
        if world != self.world:
            reporter.note(
                f"started with {world} processes, now {self.world}: the result will differ slightly from that with {world}"
            )
            mine = {name: array for name, array in mine.items() if not name.startswith(_OWN)}
            return {**mine, "random.cpu": torch.get_rng_state().numpy()}
        if self.rank:
            mine |= {name: tensors[f"rank{self.rank}.{name}"] for name in mine if name.startswith(_OWN)}
        return mine


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and size + tensor.numel() > _BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.numel()
    if bucket:
        yield bucket


@contextmanager
def _meeting() -> Iterator[None]:
    """The store through which the ranks find each other."""
    try:
        yield
    except RuntimeError as error:
        first_line = str(error).strip().partition("\n")[0]
        cure = "check its output; --resume continues from the last checkpoint"
        raise SeqcliError(f"another training process has ended or hangs ({first_line})", cure=cure) from None
