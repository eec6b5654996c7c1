"""How a command is declared: its options from groups that commands share, and its help.

A group is a dataclass whose fields are annotated for typer (`options`); a command takes `source: TextInput` and is decorated with
`@with_options(...)`, which declares the fields to typer and passes the command the group. The group's `HELP_GROUP` is the
heading of its options in the help:

    Usage: seqcli score [OPTIONS] [TEXT]...

      Description, from the docstring of the command.

    Input:
      -i, --input FILE   ...

    Examples:
      seqcli score "I study machine learning"

A command's docstring ends with its examples, below a line `Examples:`. The group of an option is its `rich_help_panel`,
which `with_options` fills in. Plain text without rich, since boxes do not fit 80 columns.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from seqcli.commands import completion
from seqcli.errors import UsageError

# In the order in which the help shows them. A command's own options are in one named for its task.
GROUPS = (
    "Input",
    "Model",
    "Views",
    "Scoring",
    "Adaptation",
    "Decoding",
    "Classification",
    "Embeddings",
    "Tokenization",
    "Training",
    "Output",
    "Machine",
    "General",
)
_EXAMPLES = "\nExamples:\n"
_DEFAULT = re.compile(r"\[default: [^]]{,24}\]")  # short enough to stay on one line
_NO_BREAK = "\xa0"  # a space that textwrap does not break
_LEFT = 24  # columns of the options; their meanings begin after two blanks


def with_options(group: str) -> Callable[[Callable], Callable]:
    """A decorator that shows typer one parameter for each field of the groups of `command(source: TextInput, ...)`.

    group: heading in the help of the options that the command declares itself.
    """
    return functools.partial(_flattened, group)


def _flattened(group: str, command: Callable) -> Callable:
    hints = typing.get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    given_options = None
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind is GivenOptions:
            given_options = name
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
        if given_options:
            values[given_options] = GivenOptions.of(values.pop("invocation"))
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


class GivenOptions(frozenset):
    """The options given on the command line, as they are written: `--top-k`."""

    @classmethod
    def of(cls, context) -> GivenOptions:
        sources = [(option, context.get_parameter_source(option.name)) for option in context.command.params]
        return cls(
            name for option, source in sources if source and source.name == "COMMANDLINE" for name in option.opts
        )

    def without_effect(self, reporter, reasons: Mapping[str, str | bool | None]) -> None:
        """Prints a note for each given option that has no effect in this call. reasons: why, or a false value."""
        for option, reason in reasons.items():
            if reason and option in self:
                reporter.note(f"{option} has no effect {reason}")


def parts(docstring: str) -> tuple[str, list[str]]:
    """(the description, the example commands) of a command's docstring."""
    text, _, examples = inspect.cleandoc(docstring).partition(_EXAMPLES)
    return text.rstrip(), [line.strip() for line in examples.splitlines() if line.strip()]


def record(parameter: Any, context: Any) -> tuple[str, str] | None:
    """(`-o, --output FILE`, its meaning with the default), None for a hidden parameter."""
    shown = parameter.get_help_record(context)
    if shown and isinstance(parameter, TyperArgument):
        return _name(parameter), shown[1]  # typer would add the Python type
    return shown


def usage(command: TyperCommand, context: Any) -> list[str]:
    """`[OPTIONS]`, `DATA...`, `-o DIR`: what may follow the name of a command, and what must."""
    pieces = ["[OPTIONS]"]
    for parameter in command.get_params(context):
        if isinstance(parameter, TyperArgument):
            name = _name(parameter)
            pieces.append(name if parameter.required else f"[{name}]")
        elif parameter.required:
            pieces.append(f"{min(parameter.opts, key=len)} {parameter.metavar}")
    return pieces


def _name(argument: TyperArgument) -> str:
    return f"{argument.metavar or argument.name}{'...' if argument.nargs == -1 else ''}"


def grouped(command: TyperCommand, context: Any) -> dict[str, list[tuple[str, str]]]:
    """The records of all parameters by group, in the order of the help."""
    groups: dict[str, list[tuple[str, str]]] = {name: [] for name in GROUPS}
    for parameter in command.get_params(context):
        if shown := record(parameter, context):
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or "General", []).append(shown)
    return {name: records for name, records in groups.items() if records}


class Command(TyperCommand):
    """A command with the help described above, which refuses a single-valued option given twice: it is unclear which value is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
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

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return usage(self, ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write(_filled(parts(self.help or "")[0], formatter.width, indent=2) + "\n")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for name, records in grouped(self, ctx).items():
            with formatter.section(name):
                for left, right in records:
                    formatter.write(row(left, right, formatter.width))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if examples := parts(self.help or "")[1]:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in examples))


class Group(TyperGroup):
    """A command with commands of its own; for one that it does not have, the error names what may be meant."""

    def resolve_command(self, ctx, args: list[str]):
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from seqcli.commands import guesses

            raise guesses.command(args, known=self.list_commands(ctx), of=ctx.command_path)
        return super().resolve_command(ctx, args)


def _filled(text: str, width: int, *, indent: int) -> str:
    """Paragraphs in lines of at most `width` columns. Only blanks are broken: no word, path or option is cut."""
    margin = " " * indent
    text = _DEFAULT.sub(lambda default: default[0].replace(" ", _NO_BREAK), text)
    filled = "\n\n".join(
        textwrap.fill(
            paragraph,
            width,
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in text.split("\n\n")
    )
    return filled.replace(_NO_BREAK, " ")


def row(left: str, right: str, width: int) -> str:
    """An option and its meaning beside it, or below it where the option is long."""
    column = 2 + _LEFT + 2
    meaning = _filled(right, width, indent=column)
    head = f"  {left}"
    if len(head) <= column - 2:
        return head + meaning[len(head) :] + "\n"
    return f"{head}\n{meaning}\n"
