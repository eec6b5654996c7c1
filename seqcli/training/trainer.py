"""Builds, trains and saves a network: the part of training around the loop that all tasks share.

Before the first step it is checked that there is enough disk and memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqcli.data.batches import Batches
from seqcli.errors import OutputError
from seqcli.interfaces import Reporter, Tokenizer
from seqcli.nn import weights
from seqcli.nn.cross_entropy import KEPT
from seqcli.nn.inference import Network
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter
from seqcli.system import memory, torchrun
from seqcli.training import distributed, loop
from seqcli.training.budget import Budget
from seqcli.training.config import OPTIMIZERS, Plan, Request
from seqcli.training.device import Placement
from seqcli.training.recorder import FolderRecorder, HeldOut

_MARGIN = 1.1  # of disk


@dataclass(frozen=True)
class Work:
    """The task-specific parts of a training. `make` builds the network, with or without memory for its weights; the others are called
    afterwards.

    record: what is recorded besides parameters, precision and device; outputs: the width of the head, for the memory of its logits;
    counted: the unit of the loss; initialise: loads pretrained weights.
    """

    task: str
    make: Callable[[], Network]
    batches: Callable[[Network], Batches]
    held_out: HeldOut
    record: dict[str, Any]
    tokenizer: Tokenizer | tuple[Tokenizer, Tokenizer]  # of source and target
    card: Callable[[Mapping[str, Any]], str]
    outputs: int
    counted: str = "tokens"
    bytes_per_token: float | None = None
    initialise: Callable[[Network], None] | None = None


def fit(
    work: Work, writer: ModelWriter, plan: Plan, request: Request, *, placement: Placement, resume: bool, begun: float,
    reporter: Reporter,
) -> dict[str, Any]:  # fmt: skip
    """Trains into `writer` and returns the record. begun: start of the command, on the scale of `time.monotonic`."""
    if not torchrun.rank():
        _check_memory_and_disk(weights.outline(work.make), plan, placement, vocab_size=work.outputs, folder=writer.path)
    torch.manual_seed(plan.seed)
    model = work.make()
    if work.initialise:
        work.initialise(model)
    model.to(placement.device)
    if torchrun.rank():
        torch.manual_seed(plan.seed + torchrun.rank())  # the ranks have the same weights but different dropout
    record = {
        **work.record, "parameters": sum(p.numel() for p in model.parameters()), "precision": placement.precision,
        "device": placement.device.type,
    }  # fmt: skip
    run = FolderRecorder(
        writer, model, record, task=work.task, tokenizer=work.tokenizer, held_out=work.held_out, card=work.card,
        begun=begun, bytes_per_token=work.bytes_per_token, counted=work.counted, board=request.tensorboard,
        resumable=request.resumable,
    )  # fmt: skip
    resumed = run.resumed(reporter) if resume else None
    run.log({"event": "resumed", "step": resumed[0].step} if resumed else {"event": "started", **record})
    with distributed.joined(placement.device) as together:
        if plan.shard:
            together.shard(model)
        together.agree(f"{record['tokenizer']} {record['data']['fingerprint']}", what="text")
        batches = work.batches(model)
        budget = Budget(
            plan, begun=begun, used=resumed[0].seconds if resumed else 0.0, size=_checkpoint_size(model, plan)
        )
        progress = loop.train(
            model,
            batches,
            plan,
            run,
            budget=budget,
            placement=placement,
            ranks=together,
            reporter=reporter,
            resumed=resumed,
        )
    best = ModelFolder.open(writer.path).config
    return {**best, "progress": asdict(progress), "seconds": progress.seconds}


def _check_memory_and_disk(
    model: nn.Module, plan: Plan, placement: Placement, *, vocab_size: int, folder: Path
) -> None:
    """Checks before the first step. Raises OutputError if disk or memory is too small. model: may be on the meta device; folder: where it will be
    saved. The memory is a lower bound without activations, so only trainings that cannot run are refused."""
    weights, checkpoint = _size_of(model), _checkpoint_size(model, plan)
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


def _checkpoint_size(model: nn.Module, plan: Plan) -> int:
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
