"""How the help of a command looks: usage, description, options in groups, examples.

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

import inspect
import re
import textwrap
from typing import Any

from typer.core import TyperArgument, TyperCommand

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


class HelpfulCommand(TyperCommand):
    """A command with the help described above."""

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
