"""Parsers of option values for typer: numbers in their range, sizes, names, weights. What they refuse is a usage error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import typer

from seqcli.ranges import Range
from seqcli.text import number_of


class number:
    """A parser of numbers within the range `rule`; whole numbers may be written as `1e6`."""

    def __init__(self, rule: Range):
        self.rule = rule
        self.__name__ = "N" if rule.whole else "NUMBER"  # the metavar

    def __call__(self, argument: Any) -> int | float:
        kind = int if self.rule.whole else float
        text = str(argument)  # typer parses defaults too
        value = int(text) if re.fullmatch(r"\s*[-+]?\d{1,40}\s*", text, re.ASCII) else number_of(text)
        if self.rule.whole and math.isfinite(value) and value == int(value):
            value = int(value)
        if fault := self.rule.fault(value, kind):
            raise typer.BadParameter(f"{fault}, got {text!r}")
        return kind(value)


def whole(low: int, high: int) -> number:
    """A parser of whole numbers in [low, high]."""
    return number(Range(low, high, whole=True))


def real(low: float, high: float) -> number:
    """A parser of finite numbers in [low, high]."""
    return number(Range(low, high))


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def memory_size(text: str) -> int:
    """`500M`, `2G`, `1.5g`, `800000000`: bytes."""
    number = text.upper().removesuffix("B").removesuffix("I")
    unit = number[-1:] if number[-1:] in _UNITS else ""
    try:
        size = number_of(number.removesuffix(unit)) * _UNITS[unit]
        if not (1 << 20) <= size <= (1 << 50):
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a size from 1M to 1024T, for example 500M or 2G") from None
    return int(size)


memory_size.__name__ = "SIZE"


class choice:
    """A parser of one of a few names, or of those of a registry, which a function lists when an option is given."""

    def __init__(self, *known: str | Callable[[], Sequence[str]]):
        self._known = known
        self.__name__ = "NAME"  # the metavar

    @property
    def known(self) -> list[str]:
        return [name for each in self._known for name in ([each] if isinstance(each, str) else each())]

    def __call__(self, text: str) -> str:
        if text not in self.known:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(self.known)}")
        return text


def ray_cluster(text: str) -> str:
    """`local`, or the address of a Ray cluster."""
    from seqcli.system import cluster

    if text != cluster.LOCAL and not re.fullmatch(r"[\w.-]+:\d+", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is neither local nor HOST:PORT, the address that `ray start --head` prints")
    return text


def mixture(text: str) -> list[float] | str:
    """`0.4,0.6`: weights; anything else names a file."""
    try:
        _ = [float(part) for part in text.split(",")]
    except ValueError:
        return text
    weights = list(map(number_of, text.split(",")))
    if not (all(0 <= weight <= 1 for weight in weights) and abs(sum(weights) - 1) <= 1e-6):
        raise typer.BadParameter(f"{text!r} are not weights from 0 to 1 that sum to 1, for example 0.4,0.6")
    return weights


def label_names(text: str) -> dict[str, str]:
    """`0=negative,1=positive`: names by label."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    names = {label.strip(): name.strip() for label, _, name in pairs}
    if not all(names) or not all(names.values()) or len(names) < len(pairs):
        raise typer.BadParameter(
            f"{text!r} is not LABEL=NAME,... with each label once, for example 0=negative,1=positive"
        )
    return names
