"""The training loop: batch, loss, backward, clip, step; every so often evaluate, log, save.

It knows no task: it is given batches, a loss and an evaluation, and reports to those who save and show. A run that is
stopped and resumed takes the same steps: what comes next depends on `Progress` and on the tensors of `training/state` alone.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch

from seqcli.data.batches import Batches
from seqcli.errors import DivergedError
from seqcli.interfaces import Reporter
from seqcli.nn import threads
from seqcli.nn.weights import whole
from seqcli.training import optim, state
from seqcli.training.averaging import Average
from seqcli.training.meter import Meter
from seqcli.training.placement import Placement
from seqcli.training.plan import Plan, Progress
from seqcli.training.ranks import Ranks
from seqcli.training.signals import collected

_LOGGED = 100  # lines of the log over the budget


class Run(Protocol):
    """What the loop reports to."""

    bytes_per_token: float | None
    counted: str  # what the loss is a sum over: tokens, texts

    def evaluate(self) -> float:
        """The headline figure, lower is better."""

    def log(self, event: Mapping[str, Any]) -> None: ...

    def best(self, progress: Progress) -> None:
        """The weights at hand are the best so far."""

    def holds_best(self, progress: Progress) -> bool:
        """Whether the weights of `progress.best_step` were saved."""

    def checkpoint(self, progress: Progress, tensors: Mapping[str, np.ndarray]) -> None: ...


def train(
    model: torch.nn.Module, batches: Batches, plan: Plan, run: Run, *, placement: Placement, ranks: Ranks, reporter: Reporter,
    resumed: tuple[Progress, Mapping[str, np.ndarray]] | None = None,
) -> Progress:  # fmt: skip
    """Trains `model`, which lies on the placement's device. resumed: what `Run.checkpoint` was given.

    Raises DivergedError before a non-finite update, SystemExit after a signal, when the step is done and saved.
    """
    progress, saved_tensors = resumed or (Progress(), None)
    optimizer, average, carried = optim.optimizer(model, plan), Average(model, plan), None
    if saved_tensors is not None:
        carried = state.restore(ranks.own(saved_tensors, reporter), model, optimizer, average)
    meter = Meter(reporter, placement.device, bytes_per_token=run.bytes_per_token, counted=run.counted)
    begun, before = time.monotonic(), progress.seconds
    saved, saved_at = progress.step, before

    @contextmanager
    def kept() -> Iterator[None]:
        """The weights as they are evaluated and saved."""
        model.eval()
        with average.applied():
            yield
        model.train()

    def evaluate() -> float:
        with kept():
            value = ranks.first(run.evaluate())
            ranks.reshard(model)
        return value

    def judge() -> bool:
        """Evaluates and logs. Returns whether the weights are the best so far."""
        value = evaluate()
        better = progress.judge(value, plan)
        run.log({"event": "evaluated", **_place(progress), "valid": value, **meter.taken(), "rate": _rate(optimizer)})
        return better

    def save(*, better: bool) -> None:
        """A checkpoint, then the model if it is better: one that replaces another training's model can then be resumed."""
        nonlocal saved, saved_at
        run.checkpoint(progress, ranks.gathered(state.arrays(model, optimizer, average, carried)))
        run.log({"event": "saved", **_place(progress)})
        saved, saved_at = progress.step, progress.seconds
        if better:
            save_best()

    def save_best() -> None:
        with kept():
            run.best(progress)

    model.train()
    if resumed and progress.best_step == progress.step and not ranks.first(run.holds_best(progress)):
        evaluate()  # it ended after the checkpoint and before the model, which records the figures
        save_best()
    with collected() as signalled:
        while (share := progress.spent(plan, batches)) < 1:
            # 1. The gradient of a step, summed over its batches
            threads.adapt()
            started = time.monotonic()
            optimizer.zero_grad(set_to_none=True)
            total, tokens = torch.zeros((), device=placement.device), 0
            for _ in range(plan.accumulate):
                inputs, targets, carries = ranks.rows(batches.get(progress.epoch, progress.index))
                inputs, targets = (torch.from_numpy(x).to(placement.device) for x in (inputs, targets))
                with placement.autocast():
                    loss, count, after = model.loss(
                        inputs, targets, state=carried if carries else None, smoothing=plan.label_smoothing
                    )
                (loss / plan.batch_tokens).backward()  # the sum, scaled; its true size is known after the last batch
                carried = after.detached() if after is not None else None
                total, tokens = total + loss.detach(), tokens + count
                progress.advance(batches)
            # 2. Its true size over all ranks, clipped
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            ranks.sum_([*gradients, total])
            tokens, stopping = map(int, ranks.sums(tokens, len(signalled)))
            torch._foreach_mul_(gradients, plan.batch_tokens / max(tokens, 1))
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            nats, size = torch.stack([total, whole(norm)]).tolist()  # here, once a step, the processor waits for the device
            if not (math.isfinite(nats) and math.isfinite(size)):
                run.log({"event": "stopped", **_place(progress), "reason": "diverged"})
                raise _diverged(progress.step + 1, loss=nats / max(tokens, 1), saved=saved)
            # 3. The update
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * optim.rate(progress.step, share, plan) * progress.factor
            optimizer.step()
            average.update(share)
            progress.step += 1
            progress.tokens += tokens
            progress.seconds = ranks.first(before + time.monotonic() - begun)
            meter.add(nats, tokens, time.monotonic() - started)
            # 4. Now and then: show, log, evaluate, save
            now = progress.spent(plan, batches)
            meter.show(progress.step, now)
            due = _is_due(plan, progress.step, share, now)
            better = due and judge()
            if not due and _passes(share, now, _LOGGED):
                run.log({"event": "progress", **_place(progress), **meter.taken(), "rate": _rate(optimizer)})
            if due or stopping or progress.seconds - saved_at > 60 * plan.save_minutes:
                save(better=better)
            # 5. Reasons to stop before the budget is spent
            if stopping:
                number = signalled[0] if signalled else signal.SIGTERM  # another rank's
                run.log({"event": "stopped", **_place(progress), "reason": number.name})
                reporter.note(f"stopped at step {progress.step}, saved; the same command with --resume goes on from there")
                raise SystemExit(128 + number)
            if due and plan.patience and progress.since_best >= plan.patience:
                reporter.note(f"stopped early: no better for {plan.patience} evaluations")
                break
        if progress.judged != progress.step:
            save(better=judge())
    run.log({"event": "ended", **_place(progress), "best": progress.best, "best_step": progress.best_step})
    return progress


def _is_due(plan: Plan, step: int, before: float, after: float) -> bool:
    """Whether to evaluate after this step, of which the budget went from `before` to `after`."""
    if plan.evaluate_every:
        return step % plan.evaluate_every == 0
    return _passes(before, after, plan.evaluations)


def _passes(before: float, after: float, parts: int) -> bool:
    """Whether a share that went from `before` to `after` passed a 1 / parts, the end aside."""
    return after < 1 and int(after * parts) > int(before * parts)


def _rate(optimizer: torch.optim.Optimizer) -> float:
    return optimizer.param_groups[0]["lr"]


def _place(progress: Progress) -> dict[str, Any]:
    """Where an event happened, for the log."""
    return {"step": progress.step, "epoch": progress.epoch, "tokens": progress.tokens, "seconds": round(progress.seconds, 3)}


def _diverged(step: int, *, loss: float, saved: int) -> DivergedError:
    anew = "train anew with a lower --learning-rate"
    return DivergedError(
        f"loss or gradient is not finite at step {step}", where=f"loss {loss:.4g}",
        cure=f"the last good checkpoint is of step {saved}: --resume --precision fp32, or {anew}" if saved else anew,
    )  # fmt: skip
