"""Divides a budget in minutes between training steps, evaluations and saving.

The budget counts from the start of the command, so it includes reading and tokenizing. Times are measured during training,
since they depend on the load of the machine. Without a budget in minutes nothing is limited.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from seqcli.runs.model_folder import beginning
from seqcli.system.clock import Deadline
from seqcli.training.config import Plan

_READING = 0.25  # maximum share of the budget for reading and tokenizing; the rest of a larger text is left out
_JUDGING = 0.1  # share of the remaining budget for all evaluations, half of it for the last one
_WRITTEN = 100e6  # bytes per second, until a save has been measured
_FEWEST, _PER_MINUTE, _MOST = 200_000, 1_000_000, 6_000_000  # characters on which subwords are trained
_EXIT = 0.5  # seconds for opening the saved model and exiting


def reading(minutes: float, *, begun: float, passes: int = 1, resumed: Path | None = None) -> Deadline:
    """The deadline for reading text; none without a budget in minutes. passes: number of passes over the text until it
    is tokenized; resumed: folder of a run to continue, which reads the same text as before, however long that takes."""
    if (
        resumed and (begun_with := beginning(resumed)) is not None
    ):  # otherwise the error is raised when the folder is locked
        return Deadline(items=begun_with.get("data", {}).get("blocks"))
    return Deadline(begun + _READING * 60 * minutes / passes if minutes else math.inf)


def characters(minutes: float) -> int | None:
    """Number of characters to train subwords on, in about 5 % of the budget; None for as many as are useful."""
    return max(_FEWEST, min(int(_PER_MINUTE * minutes), _MOST)) if minutes else None


class Budget:
    """begun: start of the command; used: seconds spent by earlier parts of a resumed run; size: bytes written by a
    save."""

    def __init__(self, plan: Plan, *, begun: float, used: float, size: float):
        self._ends = begun + 60 * plan.minutes - used if plan.minutes else math.inf
        self._judging = _JUDGING * max(0.0, self._ends - time.monotonic())
        self._spent = 0.0  # seconds spent on evaluations before the last, including saving
        self._save, self._part, self._step = size / _WRITTEN, 0.0, 0.0  # seconds that each takes
        self._parts = 0  # number of parts of the held-out text, 0 if unknown

    @property
    def left(self) -> float:
        """Seconds left for steps and evaluations before the end."""
        if math.isinf(self._ends):
            return math.inf
        return self._ends - time.monotonic() - self._save - self._last_evaluation - self._step / 2 - _EXIT

    @property
    def _last_evaluation(self) -> float:
        """Seconds reserved for the last evaluation: the cost of the whole held-out text, or its share of the budget."""
        share = self._judging - min(self._spent, self._judging / 2)
        return min(share, 1.2 * self._part * self._parts) if self._parts else share

    def until(self, share: float, *, last: bool) -> float:
        """When an evaluation has to end, after `share` of the training; a time in the past if there is no time for
        one."""
        now = time.monotonic()
        if math.isinf(self._ends):
            return math.inf
        if last:
            return now + self._last_evaluation
        allowed = self._judging / 2 * share - self._spent - self._save
        return now + allowed if allowed > self._part else -math.inf

    def evaluated(self, seconds: float, *, parts: int, of: int) -> None:
        """Records the cost of an evaluation: `parts` of the `of` parts of the held-out text."""
        self._part, self._parts = seconds / max(parts, 1), of
        self._spent += seconds

    def saved(self, seconds: float) -> None:
        """Records the cost of saving the weights and the training state."""
        self._save = seconds
        self._spent += seconds

    def stepped(self, seconds: float) -> None:
        self._step = seconds
