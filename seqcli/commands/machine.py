"""The options that say where and how a command computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from seqcli import ranges
from seqcli.commands.parsers import choice, number, ray_cluster
from seqcli.errors import UsageError


@dataclass
class Machine:
    """The device, precision and number of cores to use."""

    HELP_GROUP = "Machine"

    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="Device for neural models: auto, cpu, cuda, cuda:N or mps.  [default: auto for training, else cpu]",
            show_default=False,
        ),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            parser=choice("auto", "fp32", "bf16", "fp16", "int8", "w8a8", "int4"),
            metavar="TYPE",
            help="Number type for neural models: auto, fp32, bf16, fp16, or for CPU inference int8, w8a8 (activations, too) or int4.  [default: auto for training, else fp32]",
        ),
    ] = None
    threads: Annotated[
        int | None, typer.Option(parser=number(ranges.THREADS), help="Number of CPU cores to use.  [default: all]")
    ] = None
    batch_tokens: Annotated[
        int | None,
        typer.Option(parser=number(ranges.BATCH_TOKENS), help="Number of tokens per batch for neural models."),
    ] = None
    verbose: Annotated[
        bool,
        typer.Option(
            "-v", "--verbose", help="Show progress even if standard error is not a terminal.", rich_help_panel="General"
        ),
    ] = False

    ray: ClassVar[str | None] = None  # the cluster of those that can use one: `BatchMachine`

    @property
    def of_worker(self) -> Machine:
        """That of one of the processes that share the work."""
        return self

    def without(self, reporter, *names: str, reason: str) -> None:
        """Prints a note for each of these options that was given although it has no effect, with the reason."""
        for name in names:
            if getattr(self, name) is not None:
                reporter.note(f"--{name.replace('_', '-')} has no effect: {reason}")


@dataclass
class BatchMachine(Machine):
    """The same for commands whose blocks of records may be computed on the machines of a Ray cluster."""

    ray: Annotated[  # type: ignore[misc]  # an option of these alone
        str | None,
        typer.Option(
            "--ray",
            parser=ray_cluster,
            metavar="ADDRESS",
            help="Run on the Ray cluster at HOST:PORT, or on this machine (local), with one worker per core or GPU (--threads: number of workers). The output is the same.",
        ),
    ] = None

    @property
    def of_worker(self) -> BatchMachine:
        return self if self.ray is None else dataclasses.replace(self, ray=None, threads=1)

    def check_ray(self, model: Sequence[str] | None, *, alone: Mapping[str, object]) -> None:
        """Raises UsageError where --ray cannot be used. alone: options that need a single process, if given."""
        if self.ray is None:
            return
        if option := next((option for option, given in alone.items() if given), None):
            raise UsageError(f"{option} cannot be combined with --ray", cure="leave out --ray: it uses one process")
        if not model:
            raise UsageError("--ray needs -m", cure="name the model, such as -m sample-english")
        if self.device not in (None, "auto", "cpu", "cuda"):
            raise UsageError(f"--device {self.device} cannot be combined with --ray", cure="use cpu, cuda or auto")
        if self.precision == "auto":
            raise UsageError("--precision auto cannot be combined with --ray", cure="name the precision, such as bf16")
        from seqcli.system import cluster

        cluster.check_installed()
