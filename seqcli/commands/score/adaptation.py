"""The options of `score --cache` and `score --dynamic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli import ranges
from seqcli.commands.parsers import number
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.adaptation import Cache, Dynamic


@dataclass
class Adaptation:
    """How models adapt to the text that they have scored so far."""

    HELP_GROUP = "Adaptation"

    cache: Annotated[
        bool,
        typer.Option(
            "--cache",
            help="Mix in a cache of the latest tokens: the continuous cache of a neural model, the unigram cache of an n-gram model. "
            "The cache is kept from line to line and emptied before each file, or each document.",
        ),
    ] = False
    weight: Annotated[
        float | None,
        typer.Option("--lambda", parser=number(ranges.LAMBDA), help="Weight of the cache.  [default: 0.15]"),
    ] = None
    theta: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.THETA),
            help="Sharpness of a neural model's cache: how strongly similar hidden states are preferred.  [default: 0.5]",
        ),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(parser=number(ranges.CACHE_WINDOW), help="Number of tokens in the cache.  [default: 2000]"),
    ] = None
    dynamic: Annotated[
        bool,
        typer.Option(
            "--dynamic",
            help="Dynamic evaluation: a neural model takes a step of gradient descent on each segment that it has scored. The model on disk does not change.",
        ),
    ] = False
    learning_rate: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.LEARNING_RATE),
            help="Learning rate of --dynamic.  [default: 0.05; with --statistics 0.0003]",
        ),
    ] = None
    decay: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.DECAY), help="Decay of --dynamic towards the trained weights.  [default: 0.0005]"
        ),
    ] = None
    segment: Annotated[
        int | None,
        typer.Option(parser=number(ranges.SEGMENT), help="Number of tokens per step of --dynamic.  [default: 64]"),
    ] = None
    statistics: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Scale the steps of --dynamic by the gradients on FILE, part of the training text."
        ),
    ] = None

    @property
    def name(self) -> str | None:
        """The option that asks for it."""
        return "--cache" if self.cache else "--dynamic" if self.dynamic else None

    def settings(self) -> tuple[Cache | None, Dynamic | None]:
        from seqcli.adaptation import Cache, Dynamic  # numpy

        cache = ranges.given({"weight": self.weight, "theta": self.theta, "window": self.window})
        dynamic = ranges.given({"learning_rate": self.learning_rate, "decay": self.decay, "segment": self.segment})
        return (
            Cache(**cache) if self.cache else None,
            Dynamic.of(scaled=self.statistics is not None, **dynamic) if self.dynamic else None,
        )

    def check(self, given: frozenset[str]) -> None:
        """Raises UsageError for options without the one that they belong to. given: the options of the command line."""
        for wanted, there, options in (
            ("--cache", self.cache, ("--lambda", "--theta", "--window")),
            ("--dynamic", self.dynamic, ("--learning-rate", "--decay", "--segment", "--statistics")),
        ):
            if not there and (option := next((option for option in options if option in given), None)):
                raise UsageError(f"{option} needs {wanted}")
