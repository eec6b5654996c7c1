"""Options that several commands share, declared once.

A group is a dataclass whose fields are annotated for typer; a command takes `source: TextInput` and is wrapped in
`@with_options`, which shows typer the fields and hands the command the group.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import os
import re
import shlex
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from seqcli import ranges
from seqcli.errors import UsageError
from seqcli.ranges import Range
from seqcli.text import number_of


class Command(TyperCommand):
    """A command that refuses an option of one value that is given twice: which of the two is meant is not known."""

    def parse_args(self, ctx, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        seen = set()
        for parameter in order:
            once = isinstance(parameter, TyperOption) and not (
                parameter.multiple or parameter.is_flag or parameter.count
            )
            if once and parameter.name in seen:
                raise UsageError(f"{parameter.opts[-1]} was given twice, but takes one value")
            seen.add(parameter.name)
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A command with commands of its own; for one that it does not have, the error names what may be meant."""

    def resolve_command(self, ctx, args: list[str]):
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from seqcli.commands import guesses

            raise guesses.command(args, known=self.list_commands(ctx), of=ctx.command_path)
        return super().resolve_command(ctx, args)


class Decoding(TypedDict):
    """How a file is decoded: the arguments of those who read it."""

    encoding: str | None
    strict: bool


class Given(frozenset):
    """The options of a call that the user gave, each as it is written: `--top-k`."""

    @classmethod
    def of(cls, context) -> Given:
        sources = ((option, context.get_parameter_source(option.name)) for option in context.command.params)
        return cls(
            name for option, source in sources if source and source.name == "COMMANDLINE" for name in option.opts
        )

    def without_effect(self, reporter, reasons: Mapping[str, str | bool | None]) -> None:
        """A note on each option that was given although it changes nothing in this call. reasons: why, or a false value."""
        for option, reason in reasons.items():
            if reason and option in self:
                reporter.note(f"{option} has no effect {reason}")


def with_options(command: Callable) -> Callable:
    """`command(source: TextInput, ...)` as typer sees it: one parameter for each field of each group."""
    hints = typing.get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    given = None
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind is Given:
            given = name
            parameters.append(inspect.Parameter("invocation", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
        elif dataclasses.is_dataclass(kind):
            fields = typing.get_type_hints(kind, include_extras=True)
            groups[name] = kind
            parameters += [
                inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=fields[f.name])
                for f in dataclasses.fields(kind)
            ]
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
    assert len({p.name for p in parameters}) == len(parameters), "an option is declared twice"
    for parameter in parameters:
        for option in getattr(parameter.annotation, "__metadata__", ()):
            if option.parser and not option.metavar:
                option.metavar = option.parser.__name__  # what the help shows: N, or the choices

    def flat(**values: Any) -> Any:
        for name, kind in groups.items():
            values[name] = kind(**{f.name: values.pop(f.name) for f in dataclasses.fields(kind)})
        if given:
            values[given] = Given.of(values.pop("invocation"))
        return command(**values)

    # typing.get_type_hints and inspect.signature must both see the flat form
    shown: Any = functools.wraps(command)(flat)
    shown.__signature__ = inspect.Signature(parameters)
    shown.__annotations__ = {p.name: p.annotation for p in parameters}
    del shown.__wrapped__
    return shown


class number:
    """A parser of the numbers of a range, `rule`; whole ones may be written `1e6`."""

    def __init__(self, rule: Range):
        self.rule = rule
        self.__name__ = "N" if rule.whole else "X"  # what the help shows

    def __call__(self, given: Any) -> int | float:
        kind = int if self.rule.whole else float
        text = str(given)  # typer parses defaults too
        value = int(text) if re.fullmatch(r"\s*[-+]?\d{1,40}\s*", text, re.ASCII) else number_of(text)
        if self.rule.whole and math.isfinite(value) and value == int(value):
            value = int(value)
        if fault := self.rule.fault(value, kind):
            raise typer.BadParameter(f"{fault}, got {text!r}")
        return kind(value)


def as_options(values: Mapping[str, object]) -> dict[str, object]:
    """`top_k` as `--top-k`."""
    return {f"--{name.replace('_', '-')}": value for name, value in values.items()}


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


def choice(*known: str) -> Callable[[str], str]:
    """A parser of one of a few names."""

    def parse(text: str) -> str:
        if text not in known:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(known)}")
        return text

    parse.__name__ = "|".join(known)
    return parse


SEED = Annotated[int, typer.Option("--seed", parser=number(ranges.SEED), help="Seed of everything random.")]


FORMAT = Annotated[
    str | None,
    typer.Option(
        parser=choice("lines", "tsv", "csv", "jsonl", "json", "parquet"),
        help="Format of the input.  [default: by its name]",
        show_default=False,
    ),
]


@dataclass
class TextInput:
    """Where the records of a command come from."""

    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts, a record each.", show_default=False)
    ] = None
    input: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--input",
            metavar="FILE",
            help="File to read (.gz, .bz2, .xz, .zst too); - is standard input. May be given again; files are read one after another.",
            show_default=False,
        ),
    ] = None
    format: FORMAT = None
    text_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of a .tsv, .csv, .json, .jsonl or .parquet input: a name (translation.en inside an object), or #N.",
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column to pass through; may be given again. In JSON kept_NAME where a field is called so.",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Encoding of the input, and of an ARPA model that is not UTF-8, such as cp949.  [default: utf-8]",
        ),
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Fail on malformed UTF-8 instead of replacing it.")] = False

    encoding_is_of_model = False  # whether --encoding also names that of a model

    @property
    def given(self) -> bool:
        return bool(self.text) or bool(self.input)

    def blocks(self, *, example: str, reporter, size: int | None = None, usual=None, clean=None) -> Iterator:
        """Blocks of about `size` bytes; at once an error with an example where there is nothing to read. usual: `tables.ColumnSpec`,
        what a column of texts is called, if not as elsewhere; clean: for blocks that are no table's."""
        from seqcli.data import lines

        if self.text and self.input:
            raise UsageError("both texts and --input are given", cure="give one of them")
        if not self.given and lines.is_interactive():
            raise UsageError(
                "nothing to read", cure=f"for example\n  {example}\n  cat FILE | {example.split(chr(34))[0].strip()}"
            )
        if self.text:
            if self.text_column or self.keep or self.format or (self.encoding and not self.encoding_is_of_model):
                raise UsageError("--text-column, --keep, --encoding and --format are for --input FILE")
            self._note_files(reporter)
            block = lines.block_of(self.text, strict=self.strict)
            yield from lines.noting([clean(block) if clean else block], "arguments", reporter)
            return
        first = 1
        for number, path in enumerate(self.paths):
            for block in self.file(path, reporter=reporter, size=size, usual=usual, clean=clean):
                yield dataclasses.replace(block, first=first, file=number) if number else block
                first += len(block)

    @property
    def paths(self) -> list[str]:
        """The files to read, where no texts are given."""
        return self.input or ["-"]

    @property
    def reading(self) -> Decoding:
        """How a file is decoded."""
        return {"encoding": self.encoding, "strict": self.strict}

    def file(self, path: str, *, reporter, size: int | None = None, usual=None, clean=None) -> Iterator:
        """The blocks of one file, numbered from 1."""
        from seqcli.data import lines, records, tables

        column = dataclasses.replace(usual or tables.TEXT, name=self.text_column)
        blocks = records.read_blocks(
            path,
            column=column,
            keep=self.keep or (),
            size=size or lines.BLOCK_BYTES,
            format=self.format,
            **self.reading,
        )
        if clean and not records.has_columns(path, self.format):
            blocks = map(clean, blocks)
        return lines.noting(blocks, path, reporter)

    def _note_files(self, reporter) -> None:
        for text in self.text or ():
            if os.path.isfile(text):
                reporter.note(f"{text} is read as a text; to read the file of that name, use -i {shlex.quote(text)}")
                return
            if os.path.isdir(text):
                reporter.note(
                    f"{text} is read as a text; for a model in the folder of that name, use -m {shlex.quote(text)}"
                )
                return


@dataclass
class Results:
    """Where results go and how they look."""

    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write instead of standard output, in the format of its suffix: .tsv, .csv, .jsonl, .json or .parquet, compressed with .gz, .bz2, .xz or .zst. Any other name: TSV.",
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="JSON Lines.")] = False
    header: Annotated[
        bool, typer.Option("--header", help="Column names above TSV (CSV and Parquet always have them).")
    ] = False
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours on a terminal.")] = False
    line_buffered: Annotated[bool, typer.Option("--line-buffered", help="Write every line at once.")] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No notes, no progress.")] = False
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
    """What of the machine to use, and how."""

    device: Annotated[
        str | None,
        typer.Option(
            metavar="auto|cpu|cuda|cuda:N|mps",
            help="Of networks.  [default: auto in training, else cpu]",
            show_default=False,
        ),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            parser=choice("auto", "fp32", "bf16", "fp16", "int8"),
            help="Of networks' matrix products; int8: of their weights, to ask on a processor.  [default: auto in training, else fp32]",
        ),
    ] = None
    threads: Annotated[
        int | None, typer.Option(parser=whole(1, 1024), help="Processor cores to use.  [default: all]")
    ] = None
    batch_tokens: Annotated[
        int | None, typer.Option(parser=whole(1, 2**31 - 1), help="Tokens that a network sees together.")
    ] = None
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Progress also where stderr is a file.")] = False

    def without(self, reporter, *names: str, reason: str) -> None:
        """A note on each of these options that was given, and for `reason` changes nothing."""
        for name in names:
            if getattr(self, name) is not None:
                reporter.note(f"--{name.replace('_', '-')} changes nothing: {reason}")


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


mixture.__name__ = "W,W...|FILE"

MixOption = Annotated[
    str | None,
    typer.Option(
        "--mix",
        parser=mixture,
        help="Ask one model that mixes all -m with these weights, or with those fitted to a text.",
    ),
]

ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        metavar="DIR",
        help="Model folder or ARPA file (.arpa, .lm, compressed or not), or NAME=DIR; may be given again.",
        show_default=False,
    ),
]
