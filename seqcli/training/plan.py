"""What a training is asked for (`Plan`) and where it stands (`Progress`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seqcli.data.batches import Batches
from seqcli.ranges import LARGEST_SEED, check, fraction, one_of, within
from seqcli.training.optim import OPTIMIZERS, SCHEDULES

_MOST = 10**12  # steps, epochs, minutes: more than anyone waits for


@dataclass(frozen=True)
class Plan:
    """How to train. Exactly what ends it first counts: epochs, steps or minutes (0: no limit). minutes: from the start of the
    command to its end, reading and saving included.

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

    optimizer: str = one_of(OPTIMIZERS, default="adamw")
    learning_rate: float = within(0, 1e6, default=1e-3, open_low=True)
    batch_tokens: int = within(0, 1 << 30, default=0)
    accumulate: int = within(1, 1 << 20, default=1)
    bptt: int = within(1, 1 << 20, default=128)
    epochs: float = within(0, _MOST, default=0.0)
    steps: int = within(0, _MOST, default=0)
    minutes: float = within(0, _MOST, default=0.0)
    warmup: int = within(0, _MOST, default=100)
    schedule: str = one_of(SCHEDULES, default="cosine")
    floor: float = fraction(0.05)
    cooldown: float = fraction(0.2)
    decay: float = fraction(0.5)
    weight_decay: float = within(0, 1e6, default=0.1)
    beta1: float = fraction(0.9)
    beta2: float = fraction(0.99)
    clip: float = within(0, 1e9, default=1.0, open_low=True)
    label_smoothing: float = fraction(0.0)
    piece_dropout: float = fraction(0.0)
    ema: float = fraction(0.0)
    average: float = fraction(0.0)
    evaluations: int = within(0, _MOST, default=4)
    evaluate_every: int = within(0, _MOST, default=0)
    patience: int = within(0, _MOST, default=0)
    save_minutes: float = within(0, _MOST, default=10.0, open_low=True)
    shard: bool = False
    seed: int = within(0, LARGEST_SEED, default=0)

    def __post_init__(self):
        check(self)
        if self.ema and self.average:
            raise ValueError("ema and average are two ways to average: give one")
        if self.shard and self.optimizer == "muon":
            raise ValueError("muon needs whole matrices: no shard")
        if not (self.epochs or self.steps or self.minutes):
            raise ValueError("one of epochs, steps and minutes must be given")


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
    due: bool = False  # a signal came before the evaluation after this step was done
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0

    def advance(self, batches: Batches) -> None:
        """The next batch."""
        self.index += 1
        if self.index >= batches.length(self.epoch):
            self.epoch, self.index = self.epoch + 1, 0

    def spent(self, plan: Plan, batches: Batches, left: float = math.inf) -> float:
        """The share of the budget that is spent. left: seconds, of a budget in minutes."""
        shares = [0.0]
        if plan.steps:
            shares.append(self.step / plan.steps)
        if plan.epochs:
            shares.append((self.epoch + self.index / max(batches.length(self.epoch), 1)) / plan.epochs)
        if plan.minutes:
            shares.append(self.seconds / (self.seconds + left) if left > 0 else 1.0)
        return max(shares)

    def judge(self, value: float, plan: Plan, *, better: bool | None = None) -> bool:
        """Takes note of an evaluation, lower is better; whether it is the best so far.

        better: whether it is, where the best so far was judged on another part of the held-out text.
        """
        better = value < self.best if better is None else better
        self.judged, self.due, self.since_best = self.step, False, 0 if better else self.since_best + 1
        if better:
            self.best, self.best_step = value, self.step
        elif plan.schedule == "plateau":
            self.factor = max(plan.floor, self.factor * plan.decay)
        return better
