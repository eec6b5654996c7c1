"""The training loop: batch, loss, backward, clip, step; every so often evaluate, save, log.

It knows no task: it is given batches, a loss and an evaluation, and reports to those who save and show. A run that is
stopped and resumed takes the same steps: what comes next depends on `Progress`, on the weights and on the random state alone.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from seqcli.data.batches import Batches
from seqcli.errors import DivergedError
from seqcli.interfaces import Reporter
from seqcli.training.optim import SCHEDULES, adamw, rate
from seqcli.training.placement import Placement


@dataclass(frozen=True)
class Plan:
    """How to train. Exactly what ends it first counts: epochs, steps or minutes (0: no limit).

    batch_tokens: of one step; accumulate: batches a step; bptt: tokens of back-propagation through time in running text.
    evaluations: over the whole budget, the last one at its end; evaluate_every: so many steps instead.
    """

    learning_rate: float = 1e-3
    batch_tokens: int = 4096
    accumulate: int = 1
    bptt: int = 128
    epochs: float = 0.0
    steps: int = 0
    minutes: float = 0.0
    warmup: int = 100
    schedule: str = "cosine"
    floor: float = 0.05
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    clip: float = 1.0
    label_smoothing: float = 0.0
    evaluations: int = 4
    evaluate_every: int = 0
    patience: int = 0
    seed: int = 0

    def __post_init__(self):
        for name in ("learning_rate", "batch_tokens", "accumulate", "bptt", "clip"):
            if not 0 < getattr(self, name) < 1e12:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("epochs", "steps", "minutes", "warmup", "weight_decay", "evaluations", "evaluate_every", "patience"):
            if not 0 <= getattr(self, name) < 1e12:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("floor", "beta1", "beta2", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, got {getattr(self, name)}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule {self.schedule!r} is not one of {', '.join(SCHEDULES)}")
        if not (self.epochs or self.steps or self.minutes):
            raise ValueError("one of epochs, steps and minutes must be given")


@dataclass
class Progress:
    """Where a run stands: saved whole, and all that resuming needs besides weights and random state."""

    step: int = 0
    epoch: int = 0
    index: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0


class Run(Protocol):
    """What the loop reports to."""

    def evaluate(self) -> float:
        """The headline figure, lower is better."""

    def log(self, event: dict[str, Any]) -> None: ...

    def best(self, progress: Progress) -> None:
        """The weights at hand are the best so far."""

    def checkpoint(self, progress: Progress, optimizer: torch.optim.Optimizer, carried: Any) -> None: ...


def train(
    model: torch.nn.Module, batches: Batches, plan: Plan, run: Run, *, placement: Placement, reporter: Reporter,
    progress: Progress | None = None, restore: Callable[[torch.optim.Optimizer], Any] | None = None,
) -> Progress:  # fmt: skip
    """Trains `model`, which lies on the placement's device. restore: puts a saved optimizer's state back, returns the
    carried state. Raises DivergedError before a non-finite update, SystemExit after
    a signal, when the step is done and saved."""
    progress = progress or Progress()
    optimizer = adamw(
        model, learning_rate=plan.learning_rate, weight_decay=plan.weight_decay, betas=(plan.beta1, plan.beta2)
    )
    carried = restore(optimizer) if restore else None
    begun, before = time.monotonic(), progress.seconds
    mean, counted, since, looked = 0.0, 0, time.monotonic(), progress.step if progress.step else -1
    model.train()
    with _signals() as signalled:
        while (share := _spent(plan, progress, batches)) < 1:
            # 1. The gradient of a step
            total = tokens = 0
            optimizer.zero_grad(set_to_none=True)
            for _ in range(plan.accumulate):
                inputs, targets, carries = batches.get(progress.epoch, progress.index)
                inputs, targets = (torch.from_numpy(x).to(placement.device) for x in (inputs, targets))
                with placement.autocast():
                    loss, count, state = model.loss(
                        inputs, targets, state=carried if carries else None, smoothing=plan.label_smoothing
                    )
                (loss / plan.batch_tokens).backward()  # the sum, scaled; its true size is known after the last batch
                carried = state.detached() if state is not None else None
                total, tokens = total + float(loss.detach()), tokens + count
                progress.index += 1
                if progress.index >= batches.length(progress.epoch):
                    progress.epoch, progress.index = progress.epoch + 1, 0
            # 2. The update
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            torch._foreach_mul_(gradients, plan.batch_tokens / max(tokens, 1))
            size = float(torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip))
            if not (math.isfinite(total) and math.isfinite(size)):
                raise DivergedError(
                    f"loss or gradient is not finite at step {progress.step + 1}", where=f"loss {total / max(tokens, 1)}",
                    cure="lower --learning-rate, or --resume from the last checkpoint with --precision fp32",
                )  # fmt: skip
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate(
                    progress.step, share, schedule=plan.schedule, warmup=plan.warmup, floor=plan.floor
                )
            optimizer.step()
            progress.step += 1
            progress.tokens += tokens
            progress.seconds = before + time.monotonic() - begun
            mean, counted = mean + total, counted + tokens
            reporter.progress(
                f"step {progress.step}, loss {mean / max(counted, 1):.3f}, {counted / max(time.monotonic() - since, 1e-9):,.0f} tokens/s",
                _spent(plan, progress, batches), 1,
            )  # fmt: skip
            # 3. Now and then: evaluate, save, log
            if _is_due(plan, progress.step, share, _spent(plan, progress, batches)):
                _look(model, run, progress, loss=mean / max(counted, 1), rate=optimizer.param_groups[0]["lr"])
                run.checkpoint(progress, optimizer, carried)
                mean, counted, since, looked = 0.0, 0, time.monotonic(), progress.step
                if plan.patience and progress.since_best >= plan.patience:
                    reporter.note(f"stopped early: no better for {plan.patience} evaluations")
                    break
            if signalled:
                run.checkpoint(progress, optimizer, carried)
                reporter.note(f"stopped at step {progress.step}, saved; --resume goes on from there")
                raise SystemExit(128 + signalled[0])
        if looked != progress.step or math.isinf(progress.best):  # stopped before it was ever judged
            _look(model, run, progress, loss=mean / max(counted, 1), rate=optimizer.param_groups[0]["lr"])
            run.checkpoint(progress, optimizer, carried)
    return progress


def _look(model: torch.nn.Module, run: Run, progress: Progress, **figures: float) -> None:
    model.eval()
    value = run.evaluate()
    model.train()
    better = value < progress.best
    progress.since_best = 0 if better else progress.since_best + 1
    if better:
        progress.best, progress.best_step = value, progress.step
    run.log({"event": "evaluated", "step": progress.step, "epoch": progress.epoch, "tokens": progress.tokens,
             "seconds": round(progress.seconds, 3), "valid": value, **figures})  # fmt: skip
    if better:
        run.best(progress)


def _is_due(plan: Plan, step: int, before: float, after: float) -> bool:
    """Whether to evaluate after this step, of which the budget went from `before` to `after`."""
    if plan.evaluate_every:
        return step % plan.evaluate_every == 0
    return after < 1 and int(after * plan.evaluations) > int(before * plan.evaluations)


def _spent(plan: Plan, progress: Progress, batches: Batches) -> float:
    """The share of the budget that is spent."""
    shares = [0.0]
    if plan.steps:
        shares.append(progress.step / plan.steps)
    if plan.epochs:
        shares.append((progress.epoch + progress.index / max(batches.length(progress.epoch), 1)) / plan.epochs)
    if plan.minutes:
        shares.append(progress.seconds / (60 * plan.minutes))
    return max(shares)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM; a second SIGINT interrupts at once."""
    seen: list[int] = []

    def note(number, frame):
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen.append(number)

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
