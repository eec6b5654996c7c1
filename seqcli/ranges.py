"""The range of a setting, declared beside its default and checked wherever the settings come from.

    @dataclass(frozen=True)
    class Config:
        layers: int = within(1, 64, default=1, help="number of layers")
        dropout: float = fraction(0.0, help="dropout probability")
        cell: str = one_of(("rnn", "lstm", "gru"), default="lstm")
        widths: tuple[int, ...] = each(1, 64, default=(3, 4, 5))

        def __post_init__(self):
            check(self)

Settings come from the command line, from a configuration file and from the folder of a model, which may be damaged:
the range is what keeps a number from deciding how much is allocated. Fields without a range have their default's type.
`help` is the meaning that docs/generate.py writes into the reference: a phrase without a full stop.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from seqcli.errors import UsageError

LARGEST_SEED = (1 << 63) - 1  # of PyTorch's generators


class OutOfRange(UsageError, ValueError):
    """A setting out of its range: for users a SeqcliError, for pydantic and for those who open model folders a ValueError."""


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; open_low, open_high: they are not; whole: for fields whose default is None,
    and for options."""

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False
    whole: bool = False

    def fault(self, value: Any, kind: type) -> str | None:
        """What is wrong with a value of type `kind`."""
        is_number = isinstance(value, Real if kind is float else Integral) and not isinstance(value, bool)
        if not is_number or not -math.inf < value < math.inf:
            return f"must be a {'finite' if kind is float else 'whole'} number {'' if self._open else 'from '}{self._bounds}"
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return None if above and below else str(self)

    def __str__(self) -> str:
        return f"must be {self._bounds}"

    @property
    def _open(self) -> bool:
        return self.open_low or self.open_high

    @property
    def _bounds(self) -> str:
        low, high = (f"{int(end) if end == int(end) else end:,}" for end in (self.low, self.high))
        if not self._open:
            return low if low == high else f"{low} to {high}"
        return f"{'above' if self.open_low else 'at least'} {low} and {'below' if self.open_high else 'at most'} {high}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of the known values."""

    known: tuple[str, ...]

    def fault(self, value: object, kind: type) -> str | None:
        return None if isinstance(value, str) and value in self.known else str(self)

    def __str__(self) -> str:
        return f"must be one of {', '.join(self.known)}"


@dataclasses.dataclass(frozen=True)
class Each:
    """A tuple, each of whose values is within a range."""

    range: Range

    def fault(self, value: object, kind: type) -> str | None:
        if not isinstance(value, tuple):
            return "must be a list"
        return next((fault for each in value if (fault := self.range.fault(each, int))), None)

    def __str__(self) -> str:
        return f"must be a list of numbers, each {self.range._bounds}"


# Of decoding: the settings in Python and the options of the same names
COUNT = Range(1, 1_000_000, whole=True)  # tokens, texts
BEAM = Range(1, 1000, whole=True)  # hypotheses
TOP_K = Range(1, (1 << 31) - 1, whole=True)
TEMPERATURE = Range(0, 1_000_000)
SHARE = Range(0, 1)  # of the probability
REPETITION_PENALTY = Range(0.01, 100)
LENGTH_PENALTY = Range(0, 10)
LENGTH_RATIO = Range(0.01, 100)
NO_REPEAT_NGRAM = Range(0, 1000, whole=True)
ORDERINGS = Range(2, 1_000_000, whole=True)
SEED = Range(0, LARGEST_SEED, whole=True)

# Of scores that adapt to the text
LAMBDA = Range(0, 1, open_high=True)  # weight of the cache
THETA = Range(0, 1_000_000)
CACHE_WINDOW = Range(1, 1 << 24, whole=True)  # tokens
DECAY = Range(0, 1)
SEGMENT = Range(1, 1 << 20, whole=True)  # tokens

# Of training: options, and arguments of the same names in Python
EPOCHS = Range(0, 1e9)
STEPS = Range(0, 10**12, whole=True)
MINUTES = Range(0, 1e7)
LEARNING_RATE = Range(0, 1e3)
ORDER = Range(1, 10, whole=True)
QUANTIZE = Range(8, 8, whole=True)  # bits of an n-gram model's probabilities
MEMORY = Range(1 << 20, 1 << 50, whole=True)  # bytes
VOCAB_SIZE = Range(4, (1 << 31) - 1, whole=True)
MIN_COUNT = Range(1, (1 << 31) - 1, whole=True)
RUNS = Range(1, 1000, whole=True)
DIM = Range(1, 1 << 14, whole=True)  # of word vectors
CONTEXTS = Range(1, 1000, whole=True)  # words on each side of a word
THREADS = Range(1, 1024, whole=True)
BATCH_TOKENS = Range(1, (1 << 31) - 1, whole=True)


def ranged(rule: Range, default: float | None, *, help: str = "") -> Any:
    """A number within a named range; None is accepted where it is the default."""
    return _field(rule, default, help)


def within(low: float, high: float, *, default: float, open_low: bool = False, help: str = "") -> Any:
    """A number from `low` to `high`; whole where the default is."""
    return _field(Range(low, high, open_low=open_low), default, help)


def fraction(default: float, *, help: str = "") -> Any:
    """A number from 0 to below 1."""
    return _field(Range(0, 1, open_high=True), default, help)


def one_of(known: Sequence[str], *, default: str, help: str = "") -> Any:
    return _field(Choice(tuple(known)), default, help)


def each(low: int, high: int, *, default: tuple[int, ...], help: str = "") -> Any:
    """A tuple of whole numbers from `low` to `high`."""
    return _field(Each(Range(low, high)), default, help)


def setting(default: bool | tuple[str, ...], *, help: str) -> Any:
    """A value of its default's type, without a range."""
    return dataclasses.field(default=default, metadata={"help": help})


def _field(rule: Range | Choice | Each, default: Any, help: str) -> Any:
    return dataclasses.field(default=default, metadata={"rule": rule, "help": help})


def check(settings: Any) -> None:
    """Raises OutOfRange for the first field of the dataclass instance `settings` that is out of its range."""
    for field in dataclasses.fields(settings):
        value, kind = getattr(settings, field.name), type(field.default)
        if rule := field.metadata.get("rule"):
            if field.default is None:
                kind = int if rule.whole else float
                fault = None if value is None else rule.fault(value, kind)
            else:
                fault = rule.fault(value, kind)
        elif field.default is dataclasses.MISSING:
            fault = None  # settings of their own, that check themselves
        else:
            fault = None if type(value) is kind else f"must be a {kind.__name__}"
        _refuse(field.name, fault, value)


def checked(name: str, value: Any, rule: Range) -> Any:
    """`value`, an argument that is no field of a dataclass. Raises OutOfRange."""
    _refuse(name, rule.fault(value, int if rule.whole else float), value)
    return value


def chosen(name: str, value: Any, known: Sequence[str]) -> Any:
    """`value`, an argument that is one of a few names. Raises OutOfRange."""
    _refuse(name, Choice(tuple(known)).fault(value, str), value)
    return value


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def is_given(value: object) -> bool:
    """Whether the value of an option, or of an argument, is not that of one that was left out: None, False or an empty list."""
    return value is not None and value is not False and value != []


def exclusive(some: Mapping[str, object], others: Mapping[str, object]) -> None:
    """Options by name. Raises UsageError where there are given ones on both sides."""
    given = [[name for name, value in options.items() if is_given(value)] for options in (some, others)]
    if all(given):
        raise UsageError(f"{given[0][0]} cannot be combined with {given[1][0]}")


def only_one(options: Mapping[str, object]) -> str | None:
    """The name of the option that is given, None for none of them. options: values by name. Raises UsageError for several."""
    given = [name for name, value in options.items() if is_given(value)]
    if len(given) > 1:
        raise UsageError(f"{given[0]} cannot be combined with {given[1]}")
    return given[0] if given else None


def check_needs(*rules: tuple[str, object, str, object]) -> None:
    """Raises UsageError for an option that is given without what it needs. rules: the name and the value of an option, what it
    needs, and whether that is there."""
    for option, value, needed, there in rules:
        if is_given(value) and not there:
            raise UsageError(f"{option} needs {needed}")


def _refuse(name: str, fault: str | None, value: object) -> None:
    if fault:
        shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:37]}..."
        raise OutOfRange(f"{name} {fault}, got {shown}")
