"""Options that several commands share, declared once: the input, the output, the machine, models and how tokens are sampled."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypedDict

import typer

from seqcli import ranges
from seqcli.commands.parsers import choice, mixture, number, ray_cluster
from seqcli.errors import UsageError


class Decoding(TypedDict):
    """How a file is decoded, as keyword arguments."""

    encoding: str | None
    strict: bool


SEED = Annotated[
    int, typer.Option("--seed", parser=number(ranges.SEED), help="Random seed.", rich_help_panel="General")
]
SIGNATURE = Annotated[
    bool,
    typer.Option(
        "--signature",
        help="Show how each figure was computed on a terminal as well; files and JSON always include it. Implied by -v.",
        rich_help_panel="Output",
    ),
]
QUANTIZE = Annotated[
    int | None,
    typer.Option(
        "--quantize",
        parser=number(ranges.QUANTIZE),
        metavar="N",
        help="Store the probabilities of an n-gram model in N bits (8): a third of the size, nearly the same perplexity.  [default: float32]",
        show_default=False,
    ),
]
COLUMN = "a name, or #N for the Nth column; dots reach into nested fields (translation.en)."

FORMAT = Annotated[
    str | None,
    typer.Option(
        parser=choice("lines", "tsv", "csv", "jsonl", "json", "parquet"),
        metavar="FORMAT",
        help="Format of the input: lines, tsv, csv, jsonl, json or parquet.  [default: from the file name]",
        show_default=False,
        rich_help_panel="Input",
    ),
]


@dataclass
class TextInput:
    """Where the records of a command come from."""

    HELP_GROUP = "Input"

    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts, one record each.", show_default=False)
    ] = None
    input: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--input",
            metavar="FILE",
            help="Read texts from FILE: one per line, or a table (.tsv, .csv, .jsonl, .json, .parquet), compressed or not; - is standard input, a folder or a quoted pattern ('data/*.txt') all its files. Repeatable: files are read in order.",
            show_default=False,
        ),
    ] = None
    format: FORMAT = None
    text_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help=f"Column with the text of a table: {COLUMN} A null value is an empty text in every format.",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Copy this column of a table to the output; repeatable. It becomes kept_NAME if that name is already taken.",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Encoding of the input, such as cp949, and of an ARPA model that is not UTF-8.  [default: utf-8]",
        ),
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Stop at malformed UTF-8 instead of replacing it.")] = False

    @property
    def given(self) -> bool:
        return bool(self.text) or bool(self.input)

    @functools.cached_property
    def paths(self) -> tuple[str, ...]:
        """The files to read, where no texts are given. Raises InputError for a folder or pattern without files."""
        from seqcli.data.paths import expanded

        return expanded(self.input or ["-"])

    @property
    def reading(self) -> Decoding:
        """How a file is decoded."""
        return {"encoding": self.encoding, "strict": self.strict}


@dataclass
class Results:
    """Where results go and how they look."""

    HELP_GROUP = "Output"

    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write to FILE instead of standard output, in the format of its suffix: .tsv, .csv, .jsonl, .json or .parquet, compressed with .gz, .bz2, .xz or .zst; TSV for any other name. A name that ends in a slash creates a folder of Parquet files.",
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Write JSON Lines.")] = False
    header: Annotated[
        bool,
        typer.Option(
            "--header", help="Start TSV output with a line of column names (CSV and Parquet always have them)."
        ),
    ] = False
    no_color: Annotated[bool, typer.Option("--no-color", help="Do not use colors on a terminal.")] = False
    line_buffered: Annotated[bool, typer.Option("--line-buffered", help="Flush the output after every line.")] = False
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Do not print notes and progress.", rich_help_panel="General")
    ] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", hidden=True)] = False

    @property
    def as_json(self) -> bool:
        """Whether JSON is written, by --json or by the suffix of the file."""
        return self.format == "json"

    @property
    def format(self) -> str:
        """As `report.output.format_of` gives it. Raises UsageError where --json and the suffix of the file disagree."""
        from seqcli.report.output import format_of

        return format_of(self.output, json="--json" if self.json else None)

    def require_json(self, option: str) -> None:
        """For an option that writes JSON only. Raises UsageError where the file is to have another format."""
        from seqcli.report.output import format_of

        format_of(self.output, json=option)
        self.json = self.json or not self.as_json

    def reporter(self, command: str, machine: Machine):
        from seqcli.report.progress import Console

        console = Console(prefix=f"seqcli {command}", quiet=self.quiet, verbose=machine.verbose)
        of_file = "with --json" if self.json else f"on {self.output}"
        if self.header and self.format != "tsv":
            console.note(f"--header has no effect {of_file}")
        if self.line_buffered and self.format == "parquet":
            console.note(f"--line-buffered has no effect {of_file}, which is written in groups of rows")
        return console

    def opened(self):
        from seqcli.report.output import Output

        return Output(
            self.output, json=self.json, header=self.header, color=not self.no_color, line_buffered=self.line_buffered
        )


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
        if option := next((option for option, value in alone.items() if value), None):
            raise UsageError(f"{option} cannot be combined with --ray", cure="leave out --ray: it uses one process")
        if not model:
            raise UsageError("--ray needs -m", cure="name the model, such as -m sample-english")
        if self.device not in (None, "auto", "cpu", "cuda"):
            raise UsageError(f"--device {self.device} cannot be combined with --ray", cure="use cpu, cuda or auto")
        if self.precision == "auto":
            raise UsageError("--precision auto cannot be combined with --ray", cure="name the precision, such as bf16")
        from seqcli.system import cluster

        cluster.check_installed()


MixOption = Annotated[
    str | None,
    typer.Option(
        "--mix",
        parser=mixture,
        metavar="WEIGHTS|FILE",
        help="Interpolate all -m into one model, with these weights (0.4,0.6) or with weights fitted to the text in FILE.",
        rich_help_panel="Model",
    ),
]

ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        metavar="DIR",
        help="Model folder, ARPA file (.arpa, .lm, compressed or not) or hf:NAME[@REVISION] from the Hugging Face Hub, or NAME=DIR to name it in the output; repeatable.  [default: a small sample model]",
        show_default=False,
        rich_help_panel="Model",
    ),
]

# How tokens are sampled
Temperature = Annotated[
    float | None,
    typer.Option(
        parser=number(ranges.TEMPERATURE),
        help="Sampling temperature: below 1 more predictable, above 1 more varied, 0 always the most likely token.  [default: 1]",
    ),
]
TopK = Annotated[
    int | None, typer.Option(parser=number(ranges.TOP_K), help="Sample from the N most likely tokens only.")
]
TopP = Annotated[
    float | None,
    typer.Option(
        parser=number(ranges.SHARE),
        help="Sample from the smallest set of tokens whose total probability reaches NUMBER.",
    ),
]
