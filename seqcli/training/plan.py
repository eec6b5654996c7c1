"""What a training is asked for (`Plan`) and where it stands (`Progress`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqcli.data.batches import Batches
from seqcli.training.optim import OPTIMIZERS, SCHEDULES


@dataclass(frozen=True)
class Plan:
    """How to train. Exactly what ends it first counts: epochs, steps or minutes (0: no limit).

    batch_tokens: of one batch (0: a hundredth of the text, 256 to 4,096); accumulate: batches a step; bptt: tokens of
    back-propagation through time in running text.
    floor: where cosine, linear and wsd end, and the least of plateau; cooldown: the share of the budget in which wsd
    falls; decay: of the rate, by plateau, when an evaluation is not better.
    ema: decay of a moving average of the weights; average: the last share of the budget, over which they are averaged
    uniformly (0: neither). What is evaluated and saved is the average.
    piece_dropout: the share of pieces that classifiers and translators read as smaller ones, anew in each epoch.
    evaluations: over the whole budget, the last one at its end; evaluate_every: so many steps instead.
    save_minutes: a checkpoint so often, besides one at each evaluation.
    shard: each of several processes holds a part of a transformer's weights, gradients and moments, not all (FSDP2).
    """

    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    batch_tokens: int = 0
    accumulate: int = 1
    bptt: int = 128
    epochs: float = 0.0
    steps: int = 0
    minutes: float = 0.0
    warmup: int = 100
    schedule: str = "cosine"
    floor: float = 0.05
    cooldown: float = 0.2
    decay: float = 0.5
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    clip: float = 1.0
    label_smoothing: float = 0.0
    piece_dropout: float = 0.0
    ema: float = 0.0
    average: float = 0.0
    evaluations: int = 4
    evaluate_every: int = 0
    patience: int = 0
    save_minutes: float = 10.0
    shard: bool = False
    seed: int = 0

    def __post_init__(self):
        for name in ("learning_rate", "accumulate", "bptt", "clip", "save_minutes"):
            if not 0 < getattr(self, name) < 1e12:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("batch_tokens", "epochs", "steps", "minutes", "warmup", "weight_decay", "evaluations", "evaluate_every", "patience"):
            if not 0 <= getattr(self, name) < 1e12:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("floor", "cooldown", "decay", "beta1", "beta2", "label_smoothing", "piece_dropout", "ema", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and less than 1, got {getattr(self, name)}")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r} is not one of {', '.join(known)}")
        if self.ema and self.average:
            raise ValueError("ema and average are two ways to average: give one")
        if self.shard and self.optimizer == "muon":
            raise ValueError("muon needs whole matrices: no shard")
        if not (self.epochs or self.steps or self.minutes):
            raise ValueError("one of epochs, steps and minutes must be given")


RESUMABLE = frozenset({"epochs", "steps", "minutes", "evaluations", "evaluate_every", "patience", "save_minutes", "shard"})
"""What of a Plan may change when a run is resumed: budgets, when to look, and who holds what."""


@dataclass
class Progress:
    """Where a run stands: saved whole, and all that resuming needs besides the arrays of `training/state`."""

    step: int = 0
    epoch: int = 0
    index: int = 0  # of the next batch of the epoch
    tokens: int = 0
    seconds: float = 0.0
    factor: float = 1.0  # of the learning rate, by the schedule plateau
    judged: int = -1  # the step after which it was evaluated last
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0

    def advance(self, batches: Batches) -> None:
        """The next batch."""
        self.index += 1
        if self.index >= batches.length(self.epoch):
            self.epoch, self.index = self.epoch + 1, 0

    def spent(self, plan: Plan, batches: Batches) -> float:
        """The share of the budget that is spent."""
        shares = [0.0]
        if plan.steps:
            shares.append(self.step / plan.steps)
        if plan.epochs:
            shares.append((self.epoch + self.index / max(batches.length(self.epoch), 1)) / plan.epochs)
        if plan.minutes:
            shares.append(self.seconds / (60 * plan.minutes))
        return max(shares)

    def judge(self, value: float, plan: Plan) -> bool:
        """Takes note of an evaluation, lower is better; whether it is the best so far."""
        better = value < self.best
        self.judged, self.since_best = self.step, 0 if better else self.since_best + 1
        if better:
            self.best, self.best_step = value, self.step
        elif plan.schedule == "plateau":
            self.factor = max(plan.floor, self.factor * plan.decay)
        return better
