"""Checks before the first step that there is enough disk and memory for a training."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import nn

from seqcli.errors import OutputError
from seqcli.nn.cross_entropy import KEPT
from seqcli.system import memory, torchrun
from seqcli.training.config import OPTIMIZERS, Plan
from seqcli.training.device import Placement

_MARGIN = 1.1


def check(model: nn.Module, plan: Plan, placement: Placement, *, vocab_size: int, folder: Path) -> None:
    """Raises OutputError if disk or memory is too small. model: may be on the meta device; folder: where it will be
    saved. The memory is a lower bound without activations, so only trainings that cannot run are refused."""
    weights, checkpoint = _size_of(model), checkpoint_size(model, plan)
    logits = min(plan.batch_tokens * vocab_size, KEPT) * placement.dtype.itemsize
    parts = torchrun.world() if plan.shard else 1
    needed, free = (checkpoint + weights) // parts + logits, _free(placement.device)
    if free is not None and needed > free:
        raise OutputError(
            f"not enough memory: weights, gradients, optimizer and logits need {_size(needed)}, but {_size(free)} is free",
            where=str(placement.device), cure="use a smaller --preset or --batch-tokens",
        )  # fmt: skip
    needed = int(_MARGIN * (3 * checkpoint + 2 * weights)) - _occupied(
        folder
    )  # the two newest, the best, and a new one of each
    if needed > (free := shutil.disk_usage(folder).free):
        raise OutputError(
            f"not enough disk: checkpoints and the model need {_size(needed)}, but {_size(free)} is free",
            where=str(folder), cure="free some space or use another -o",
        )  # fmt: skip


def checkpoint_size(model: nn.Module, plan: Plan) -> int:
    """Approximate size of a checkpoint in bytes."""
    return _size_of(model) * (1 + OPTIMIZERS[plan.optimizer] + bool(plan.ema or plan.average))


def _size_of(model: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


def _free(device: torch.device) -> int | None:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory.available()


def _occupied(folder: Path) -> int:
    """Bytes of earlier checkpoints of the run, which will be replaced."""
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number > 1e8 else f"{number / 1e6:.1f} MB"
