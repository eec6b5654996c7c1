"""`seqcli help`: the help of a command, as `--help` shows it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seqcli.commands import guesses


def help(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Such as score, or train lm.", show_default=False)
    ] = None,
) -> None:
    """Show the help of a command; without one, the list of commands."""
    shown: Any = context.find_root()
    words = command or []
    for place, name in enumerate(words):
        known = getattr(shown.command, "commands", {})
        if known and name not in known:
            raise guesses.command(words[place:], known=shown.command.list_commands(shown), of=shown.command_path)
        if not known:
            break
        shown = type(shown)(known[name], info_name=name, parent=shown, **known[name].context_settings)
    typer.echo(shown.get_help())
