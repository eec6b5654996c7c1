"""`seqcli help`: the help of a command, as `--help` shows it, and the settings of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from seqcli.commands import declaration
from seqcli.commands.declaration import with_options
from seqcli.errors import UsageError, nearest


@with_options("General")
def help(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND",
            help="A command such as score or train lm, or settings followed by an architecture.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the help of a command, or list the settings and presets of training.

    Without COMMAND, lists the commands. `help settings` lists the settings of all neural models and the presets, `help
    settings ARCH` the settings of an architecture with their defaults, ranges and meanings.

    Examples:
      seqcli help train lm
      seqcli help settings
      seqcli help settings lstm
    """
    words = command or []
    if words[:1] == ["settings"]:
        formatter = context.make_formatter()
        for title, rows in _settings(words[1:]):
            formatter.write_paragraph()
            formatter.write_heading(title)
            formatter.write("".join(declaration.row(left, right, formatter.width) for left, right in rows))
        typer.echo(formatter.getvalue().rstrip("\n"))
        return
    shown: Any = context.find_root()
    for index, name in enumerate(words):
        known = getattr(shown.command, "commands", {})
        if known and name not in known:
            from seqcli.commands import guesses

            raise guesses.command(words[index:], known=shown.command.list_commands(shown), of=shown.command_path)
        if not known:
            break
        shown = type(shown)(known[name], info_name=name, parent=shown, **known[name].context_settings)
    typer.echo(shown.get_help())


def _settings(words: list[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(heading, rows) of `help settings [ARCH]`. Raises UsageError for an architecture that does not exist."""
    from seqcli import catalog
    from seqcli.training.config import Plan, kinds_of
    from seqcli.training.setting_table import defaults, presets, settings

    def rows(kind: type, own: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
        return [
            (
                each.name,
                f"{each.meaning[:1].upper()}{each.meaning[1:]}.  [default: {each.default}]"
                + (f"  [values: {each.values}]" if each.values else ""),
            )
            for each in settings(kind, own)
        ]

    archs = {arch: None for task in catalog.TRAINING for arch in catalog.architectures(task)}
    if len(words) > 1 or (words and words[0] not in archs):
        name = " ".join(words)
        raise UsageError(f"no architecture {name!r}", where="help settings", cure=nearest(name, archs))
    if not words:
        yield "Settings of all neural models (--set NAME=VALUE)", rows(Plan)
        for task, command in catalog.TRAINING.items():
            yield (
                f"Presets of {command} (--preset NAME)",
                [(arch, ", ".join(presets(task, arch))) for arch in catalog.architectures(task)],
            )
        yield "See also", [("seqcli help settings ARCH", "The settings and presets of an architecture.")]
        return
    counted = True
    for task, command in catalog.TRAINING.items():
        if words[0] in catalog.architectures(task):
            counted = counted and catalog.is_counted(task, words[0])
            own = rows(kinds_of(task, words[0])[0], defaults(task, words[0]))
            yield f"Settings of {command} --arch {words[0]} (--set NAME=VALUE)", own
            yield f"Presets of {command} --arch {words[0]} (--preset NAME)", list(presets(task, words[0]).items())
    if not counted:
        yield "See also", [("seqcli help settings", "The settings of all neural models.")]
