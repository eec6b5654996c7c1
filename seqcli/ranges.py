"""The range of a setting, declared beside its default and checked wherever the settings come from.

    @dataclass(frozen=True)
    class Config:
        layers: int = within(1, 64, default=1)
        dropout: float = fraction(0.0)
        cell: str = one_of(("rnn", "lstm", "gru"), default="lstm")
        widths: tuple[int, ...] = each(1, 64, default=(3, 4, 5))

        def __post_init__(self):
            check(self)

Settings come from the command line, from a configuration file and from the folder of a model, which may be damaged:
the range is what keeps a number from deciding how much is allocated. Fields without a range have their default's type.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

LARGEST_SEED = (1 << 63) - 1  # of PyTorch's generators


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; open_low, open_high: they are not."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def fault(self, value: object, kind: type) -> str | None:
        """What is wrong with a value of type `kind`."""
        known = (int, float) if kind is float else (int,)
        if isinstance(value, bool) or not isinstance(value, known) or (isinstance(value, float) and not math.isfinite(value)):
            return "must be a finite number" if kind is float else "must be a whole number"
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return None if above and below else str(self)

    def __str__(self) -> str:
        if not (self.open_low or self.open_high):
            return f"must be {self.low:,} to {self.high:,}"
        low, high = "above" if self.open_low else "at least", "below" if self.open_high else "at most"
        return f"must be {low} {self.low:,} and {high} {self.high:,}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of the known values."""

    known: tuple[str, ...]

    def fault(self, value: object, kind: type) -> str | None:
        return None if isinstance(value, str) and value in self.known else f"must be one of {', '.join(self.known)}"


@dataclasses.dataclass(frozen=True)
class Each:
    """A tuple, each of whose values is within a range."""

    range: Range

    def fault(self, value: object, kind: type) -> str | None:
        if not isinstance(value, tuple):
            return "must be a list"
        return next((fault for each in value if (fault := self.range.fault(each, int))), None)


def within(low: float, high: float, *, default: float, open_low: bool = False) -> Any:
    """A number from `low` to `high`; whole where the default is."""
    return _field(Range(low, high, open_low=open_low), default)


def fraction(default: float) -> Any:
    """A number from 0 to below 1."""
    return _field(Range(0, 1, open_high=True), default)


def one_of(known: Sequence[str], *, default: str) -> Any:
    return _field(Choice(tuple(known)), default)


def each(low: int, high: int, *, default: tuple[int, ...]) -> Any:
    """A tuple of whole numbers from `low` to `high`."""
    return _field(Each(Range(low, high)), default)


def _field(rule: Range | Choice | Each, default: Any) -> Any:
    return dataclasses.field(default=default, metadata={"rule": rule})


def check(settings: Any) -> None:
    """Raises ValueError for the first field of the dataclass instance `settings` that is out of its range."""
    for field in dataclasses.fields(settings):
        value, kind = getattr(settings, field.name), type(field.default)
        if rule := field.metadata.get("rule"):
            fault = rule.fault(value, kind)
        else:
            fault = None if type(value) is kind else f"must be a {kind.__name__}"
        if fault:
            shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:37]}..."
            raise ValueError(f"{field.name} {fault}, got {shown}")
