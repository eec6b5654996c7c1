"""The training loop: batch, loss, backward, clip, step; at intervals evaluate, log, save.

It is independent of the task: batches, loss and evaluation are passed in, and events go to a `Recorder`. A run that is stopped
and resumed takes the same steps, since they depend only on `Progress` and the tensors of `training/state`.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from seqcli.data.batches import Batches
from seqcli.errors import DivergedError
from seqcli.interfaces import Reporter
from seqcli.nn.device import adapt_threads, to_device, to_host
from seqcli.nn.inference import Network
from seqcli.nn.weights import whole
from seqcli.system.signals import collected
from seqcli.training import state
from seqcli.training.averaging import Average
from seqcli.training.budget import Budget
from seqcli.training.config import Plan, Progress
from seqcli.training.device import Placement
from seqcli.training.distributed import Ranks
from seqcli.training.meter import Meter
from seqcli.training.optimizer import learning_rate, make_optimizer

_LOGGED = 100  # number of log lines over the whole budget


class Evaluation(NamedTuple):
    """value: the main score, lower is better; better: whether it is better than the best so far, on the parts that
    both were evaluated on (None: compare the values); parts: number of parts evaluated, and of all."""

    value: float
    better: bool | None
    parts: int
    of: int


class _Stopped(Exception):
    """A signal arrived during an evaluation."""


class Recorder(Protocol):
    """Receives the events of the training loop."""

    bytes_per_token: float | None
    counted: str  # unit of the loss: tokens or texts
    resumable: bool  # whether checkpoints are saved; otherwise a signal ends the training at once

    def evaluate(self, go_on: Callable[[], bool]) -> Evaluation:
        """Evaluates on the held-out text part by part; after each part `go_on` says whether there is time for
        another."""

    def log(self, event: Mapping[str, Any]) -> None: ...

    def best(self, progress: Progress) -> None:
        """Called when the current weights are the best so far."""

    def holds_best(self, progress: Progress) -> bool:
        """Whether the weights of `progress.best_step` were saved."""

    def checkpoint(self, progress: Progress, tensors: Mapping[str, np.ndarray]) -> None: ...


def train(
    model: Network, batches: Batches, plan: Plan, run: Recorder, *,
    budget: Budget, placement: Placement, ranks: Ranks, reporter: Reporter,
    resumed: tuple[Progress, Mapping[str, np.ndarray]] | None = None,
) -> Progress:  # fmt: skip
    """Trains `model`, which is on the placement's device. resumed: the arguments of an earlier `Recorder.checkpoint`.
    Raises DivergedError before a non-finite update, and SystemExit after a signal, when the step is done and saved."""
    progress, saved_tensors = resumed or (Progress(), None)
    optimizer, average, carried = make_optimizer(model, plan), Average(model, plan), None
    if saved_tensors is not None:
        carried = state.restore(ranks.own(saved_tensors, reporter), model, optimizer, average)
    meter = Meter(reporter, placement.device, bytes_per_token=run.bytes_per_token, counted=run.counted)
    begun, before = time.monotonic(), progress.seconds
    saved, saved_at = progress.step, before

    @contextmanager
    def kept() -> Iterator[None]:
        """The weights as they are evaluated and saved."""
        model.eval()
        try:
            with average.applied():
                yield
        finally:
            model.train()

    def spent() -> float:
        """The share of the budget spent so far, by the clock of rank 0."""
        progress.seconds, left = ranks.firsts(before + time.monotonic() - begun, budget.left)
        return progress.spent(plan, batches, left)

    def stopping() -> int:
        """The number of signals that the ranks have received."""
        return int(ranks.sums(len(signalled))[0])

    def evaluate(until: float) -> Evaluation:
        """Evaluates on as much held-out text as there is time for. Raises _Stopped after a signal."""

        def go_on() -> bool:
            if stopping():
                raise _Stopped
            return not ranks.first(time.monotonic() > until)

        started = time.monotonic()
        with kept():
            try:
                result = run.evaluate(go_on)
            finally:
                ranks.reshard()
        budget.evaluated(time.monotonic() - started, parts=result.parts, of=result.of)
        better = None if result.better is None else bool(ranks.first(result.better))
        return result._replace(value=ranks.first(result.value), better=better)

    def save(*, better: bool) -> None:
        """Saves a checkpoint, then the model if it is better, so that a run that replaces another model can be resumed."""
        nonlocal saved, saved_at
        if run.resumable:
            run.checkpoint(progress, ranks.gathered(state.arrays(model, optimizer, average, carried)))
            run.log({"event": "saved", **_place(progress)})
            saved, saved_at = progress.step, progress.seconds
        if better:
            save_best()

    def save_best() -> None:
        with kept():
            run.best(progress)

    def look(share: float, *, last: bool = False) -> None:
        """Evaluates and saves, if there is time; after a signal the evaluation is left to the resumed run."""
        until = ranks.first(budget.until(share, last=last))
        if until < time.monotonic() and not last:
            return
        progress.due = True
        if stopping():
            return
        with suppress(_Stopped):
            result = evaluate(until)
            judged = time.monotonic()
            better = progress.judge(result.value, plan, better=result.better)
            run.log(
                {
                    "event": "evaluated",
                    **_place(progress),
                    "valid": result.value,
                    **meter.taken(),
                    "rate": _rate(optimizer),
                }
            )
            save(better=better)
            budget.saved(time.monotonic() - judged)

    def leave_if_stopped() -> None:
        """After a signal: saves and ends the process."""
        if stopping():
            if progress.due or saved != progress.step:
                save(better=False)
            number = signalled[0] if signalled else signal.SIGTERM  # received by another rank
            run.log({"event": "stopped", **_place(progress), "reason": number.name})
            reporter.note(f"stopped at step {progress.step} and saved; to continue, run the same command with --resume")
            raise SystemExit(128 + number)

    def exhausted() -> bool:
        """Whether the model was just evaluated and has not improved within the plan's patience."""
        return progress.judged == progress.step and 0 < plan.patience <= progress.since_best

    model.train()
    listening: AbstractContextManager[list[signal.Signals]] = collected() if run.resumable else nullcontext([])
    with listening as signalled:
        if resumed and progress.best_step == progress.step and not ranks.first(run.holds_best(progress)):
            with suppress(
                _Stopped
            ):  # the run ended after saving the checkpoint and before saving the model with its figures
                evaluate(ranks.first(budget.until(1.0, last=True)))
                save_best()
            leave_if_stopped()
        if progress.due:  # a signal interrupted this evaluation
            look(now := spent(), last=now >= 1)
            leave_if_stopped()
        share = spent()
        while share < 1 and not exhausted():
            # 1. Compute the gradient of the step, summed over its batches
            adapt_threads()
            started = time.monotonic()
            optimizer.zero_grad(set_to_none=True)
            total, tokens = torch.zeros((), device=placement.device), 0
            for _ in range(plan.accumulate):
                own = ranks.rows(batches.get(progress.epoch, progress.index))
                inputs, targets, counted = (
                    to_device(part, placement.device) for part in (own.inputs, own.targets, own.counted)
                )
                loss_of = model.masked_loss if own.masked else model.loss
                with placement.autocast():
                    loss, count, after = loss_of(
                        inputs,
                        targets,
                        counted=counted,
                        state=carried if own.carries else None,
                        smoothing=plan.label_smoothing,
                    )
                (
                    loss / plan.batch_tokens
                ).backward()  # scaled provisionally: the number of tokens is known after the last batch
                carried = after.detached() if after is not None else None
                total, tokens = total + loss.detach(), tokens + count
                progress.advance(batches)
            # 2. Normalise by the number of tokens of all ranks, and clip
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            ranks.sum_([*gradients, total])
            tokens = int(ranks.sums(tokens)[0])
            torch._foreach_mul_(gradients, plan.batch_tokens / max(tokens, 1))
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            nats, size = to_host(torch.stack([total, whole(norm)])).tolist()  # the only synchronisation of a step
            if not (math.isfinite(nats) and math.isfinite(size)):
                run.log({"event": "stopped", **_place(progress), "reason": "diverged"})
                raise _diverged(progress.step + 1, loss=nats / max(tokens, 1), saved=saved)
            # 3. Update the weights
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * learning_rate(progress.step, share, plan) * progress.factor
            optimizer.step()
            average.update(share)
            progress.step += 1
            progress.tokens += tokens
            seconds = time.monotonic() - started
            meter.add(nats, tokens, seconds)
            budget.stepped(seconds)
            # 4. If due: show progress, log, evaluate, save
            now = spent()
            meter.show(progress.step, now)
            if _is_due(plan, progress.step, share, now):
                look(now)
            elif _passes(share, now, _LOGGED):
                run.log({"event": "progress", **_place(progress), **meter.taken(), "rate": _rate(optimizer)})
            if progress.seconds - saved_at > 60 * plan.save_minutes:
                save(better=False)
            # 5. Stop early
            leave_if_stopped()
            share = spent() if _took_time(progress, saved) else now
        if exhausted():
            reporter.note(f"stopped early: no improvement in {plan.patience} evaluations")
        if progress.judged != progress.step:
            look(1.0, last=True)
            leave_if_stopped()
    run.log({"event": "ended", **_place(progress), "best": progress.best, "best_step": progress.best_step})
    return progress


def _took_time(progress: Progress, saved: int) -> bool:
    """Whether an evaluation or a save followed this step; otherwise the clock of rank 0 need not be read again."""
    return progress.step in (progress.judged, saved)


def _is_due(plan: Plan, step: int, before: float, after: float) -> bool:
    """Whether to evaluate after this step. before, after: spent share of the budget before and after it."""
    if plan.evaluate_every:
        return step % plan.evaluate_every == 0
    return _passes(before, after, plan.evaluations)


def _passes(before: float, after: float, parts: int) -> bool:
    """Whether a multiple of 1 / parts, other than the end, lies between the shares `before` and `after`."""
    return after < 1 and int(after * parts) > int(before * parts)


def _rate(optimizer: torch.optim.Optimizer) -> float:
    return optimizer.param_groups[0]["lr"]


def _place(progress: Progress) -> dict[str, Any]:
    """The step and epoch of an event, for the log."""
    return {
        "step": progress.step,
        "epoch": progress.epoch,
        "tokens": progress.tokens,
        "seconds": round(progress.seconds, 3),
    }


def _diverged(step: int, *, loss: float, saved: int) -> DivergedError:
    anew = "train again with a lower --learning-rate"
    return DivergedError(
        f"loss or gradient is not finite at step {step} (loss {loss:.4g})",
        cure=f"resume from the checkpoint of step {saved} with --resume --precision fp32, or {anew}" if saved else anew,
    )  # fmt: skip
