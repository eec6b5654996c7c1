"""Builds, trains and saves a network: the part of training around the loop that all tasks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from seqcli.data.batches import Batches
from seqcli.interfaces import Reporter, Tokenizer
from seqcli.nn import weights
from seqcli.nn.inference import Network
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter
from seqcli.system import torchrun
from seqcli.training import distributed, loop, resources
from seqcli.training.budget import Budget
from seqcli.training.config import Plan, Request
from seqcli.training.device import Placement
from seqcli.training.recorder import FolderRecorder, HeldOut


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
        resources.check(weights.outline(work.make), plan, placement, vocab_size=work.outputs, folder=writer.path)
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
            plan, begun=begun, used=resumed[0].seconds if resumed else 0.0, size=resources.checkpoint_size(model, plan)
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
