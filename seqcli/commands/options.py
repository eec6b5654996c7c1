"""Options that several commands share, declared once.

A group is a dataclass whose fields are annotated for typer; a command takes `source: TextInput` and is decorated with
`@with_options(...)`, which declares the fields to typer and passes the command the group. The group's `HELP_GROUP` is the
heading of its options in the help (`help_text`).
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import os
import shlex
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import typer
from typer.core import TyperGroup, TyperOption

from seqcli import ranges
from seqcli.commands import completion
from seqcli.commands.help_text import HelpfulCommand
from seqcli.commands.machine import Machine
from seqcli.commands.parsers import choice, mixture, number
from seqcli.errors import UsageError


class Command(HelpfulCommand):
    """A command that refuses a single-valued option given twice, since it is unclear which value is meant."""

    def parse_args(self, ctx, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        seen = set()
        for parameter in order:
            once = isinstance(parameter, TyperOption) and not (
                parameter.multiple or parameter.is_flag or parameter.count
            )
            if once and parameter.name in seen:
                raise UsageError(f"{parameter.opts[-1]} is given twice but takes a single value")
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
    """How a file is decoded, as keyword arguments."""

    encoding: str | None
    strict: bool


class GivenOptions(frozenset):
    """The options given on the command line, as they are written: `--top-k`."""

    @classmethod
    def of(cls, context) -> GivenOptions:
        sources = ((option, context.get_parameter_source(option.name)) for option in context.command.params)
        return cls(
            name for option, source in sources if source and source.name == "COMMANDLINE" for name in option.opts
        )

    def without_effect(self, reporter, reasons: Mapping[str, str | bool | None]) -> None:
        """Prints a note for each given option that has no effect in this call. reasons: why, or a false value."""
        for option, reason in reasons.items():
            if reason and option in self:
                reporter.note(f"{option} has no effect {reason}")


def with_options(group: str) -> Callable[[Callable], Callable]:
    """A decorator that shows typer one parameter for each field of the groups of `command(source: TextInput, ...)`.

    group: heading in the help of the options that the command declares itself.
    """
    return functools.partial(_flattened, group)


def _flattened(group: str, command: Callable) -> Callable:
    hints = typing.get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    given = None
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind is GivenOptions:
            given = name
            parameters.append(inspect.Parameter("invocation", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
        elif dataclasses.is_dataclass(kind):
            fields = typing.get_type_hints(kind, include_extras=True)
            groups[name] = kind
            for f in dataclasses.fields(kind):
                own = _in_group(fields[f.name], getattr(kind, "HELP_GROUP", group))
                parameters.append(
                    inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=own)
                )
        else:
            own = _in_group(kind, group)
            parameters.append(parameter.replace(annotation=own, kind=inspect.Parameter.KEYWORD_ONLY))
    assert len({p.name for p in parameters}) == len(parameters), "an option is declared twice"
    for parameter in parameters:
        for option in getattr(parameter.annotation, "__metadata__", ()):
            if option.parser and not option.metavar:
                option.metavar = option.parser.__name__  # N, NUMBER or SIZE
            if option.autocompletion is None:
                option.autocompletion = completion.of(parameter.name, getattr(option.parser, "known", ()))

    def flat(**values: Any) -> Any:
        for name, kind in groups.items():
            values[name] = kind(**{f.name: values.pop(f.name) for f in dataclasses.fields(kind)})
        if given:
            values[given] = GivenOptions.of(values.pop("invocation"))
        return command(**values)

    # typing.get_type_hints and inspect.signature must both see the flat form
    shown: Any = functools.wraps(command)(flat)
    shown.__signature__ = inspect.Signature(parameters)
    shown.__annotations__ = {p.name: p.annotation for p in parameters}
    del shown.__wrapped__
    return shown


def _in_group(annotation: Any, group: str) -> Any:
    """The same with options of its own, since commands share declarations, under this heading where they do not name another."""
    options = [copy.copy(option) for option in getattr(annotation, "__metadata__", ())]
    for option in options:
        option.rich_help_panel = option.rich_help_panel or group
    return Annotated[(annotation.__origin__, *options)] if options else annotation


def as_options(values: Mapping[str, object]) -> dict[str, object]:
    """`top_k` as `--top-k`."""
    return {f"--{name.replace('_', '-')}": value for name, value in values.items()}


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

    encoding_is_of_model = False  # whether --encoding also names that of a model

    @property
    def given(self) -> bool:
        return bool(self.text) or bool(self.input)

    def blocks(self, *, example: str, reporter, size: int | None = None, usual=None, clean=None) -> Iterator:
        """Blocks of about `size` bytes; at once an error with an example where there is nothing to read. usual: `tables.ColumnSpec`,
        what a column of texts is called, if not as elsewhere; clean: for blocks that are no table's."""
        from seqcli.data import lines

        if self.text and self.input:
            files = all(map(os.path.isfile, self.text))
            cure = f"quote a pattern, or give -i before each file: -i {shlex.quote(self.text[0])}" if files else None
            raise UsageError("both texts and --input are given", cure=cure or "give one of them")
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
        for position, path in enumerate(self.paths):
            for block in self.file(path, reporter=reporter, size=size, usual=usual, clean=clean):
                yield dataclasses.replace(block, first=first, file=position) if position else block
                first += len(block)

    @functools.cached_property
    def paths(self) -> tuple[str, ...]:
        """The files to read, where no texts are given. Raises InputError for a folder or pattern without files."""
        from seqcli.data.paths import expanded

        return expanded(self.input or ["-"])

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
            blank_end=functools.partial(lines.note_blank_end, path=path, reporter=reporter),
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
