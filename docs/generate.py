"""Writes docs/reference.md and the tables of settings in docs/models.md from the code: `python docs/generate.py`.

`--check` writes nothing and fails where a file is not up to date, as tests/documents/test_reference.py does.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from seqcli import catalog, cli
from seqcli.data import files, tables
from seqcli.errors import SeqcliError
from seqcli.training.config import kinds_of

DOCS = Path(__file__).parent
TASKS = {"language": "lm", "classification": "classifier", "translation": "translator"}
_SETTINGS = re.compile(r"(<!-- settings: (\w+)/(\w+) -->\n).*?(<!-- end -->)", re.S)


def reference() -> str:
    """docs/reference.md: commands, settings, presets, tokenizers and formats."""
    parts = [
        "# Reference",
        "Generated from the code by `python docs/generate.py`; do not edit. The commands are as `seqcli COMMAND --help` shows them.",
        "[Commands](#commands) · [Training settings](#training-settings) · [Presets](#presets) · [Tokenizers](#tokenizers) · "
        "[Formats](#formats) · [Exit codes](#exit-codes)",
        "## Commands",
        *_commands(),
        "## Training settings",
        "Settings are given by `--set name=value` or in a TOML file by `--config`; options such as `--epochs` set the one of the same name. "
        "These hold for all neural models; [models.md](models.md) has the settings of each architecture.",
        _settings(kinds_of("language", "transformer")[1]),
        "## Presets",
        "A preset is a set of settings for an architecture, chosen by `--preset`. What it does not name has its default.",
        *_presets(),
        "## Tokenizers",
        _tokenizers(),
        "## Formats",
        _formats(),
        "## Exit codes",
        _exit_codes(),
    ]
    return "\n\n".join(parts) + "\n"


def models(text: str) -> str:
    """docs/models.md with its tables of settings, which stand between `<!-- settings: TASK/ARCH -->` and `<!-- end -->`."""
    return _SETTINGS.sub(lambda place: f"{place[1]}\n{_settings(kinds_of(place[2], place[3])[0])}\n\n{place[4]}", text)


def _commands() -> Iterator[str]:
    cli._register()
    for name, command, context in _leaves(typer.main.get_command(cli.app), typer.Context):
        yield f"### {name}"
        yield f"```\n{' '.join(command.collect_usage_pieces(context)).join((name + ' ', ''))}\n```"
        yield inspect.cleandoc(command.help)
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in command.get_params(context):
            if record := parameter.get_help_record(context):
                group = getattr(parameter, "rich_help_panel", None) or ""
                groups.setdefault(group, []).append((f"`{record[0]}`", record[1]))
        for group, rows in groups.items():
            if group:
                yield f"**{group}**"
            yield _table(("option", "meaning"), rows)


def _leaves(command, context_class, name: str = "seqcli", parent=None) -> Iterator[tuple]:
    """(its whole name, itself, its context) of every command that has no commands of its own, in the order of the help."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    if not hasattr(command, "list_commands"):
        yield name, command, context
        return
    for each in command.list_commands(context):
        yield from _leaves(command.get_command(context, each), context_class, f"{name} {each}", context)


def _settings(kind: type) -> str:
    """The fields of a dataclass of settings, as a table."""
    rows = []
    for field in dataclasses.fields(kind):
        rule, meaning = field.metadata.get("rule"), field.metadata.get("help", "")
        if rule is None:
            values = "true, false" if isinstance(field.default, bool) else ""
        else:
            values = str(rule).removeprefix("must be ")
        rows.append((f"`{field.name}`", f"`{_value(field.default)}`", values, meaning))
    return _table(("setting", "default", "values", "meaning"), rows)


def _presets() -> Iterator[str]:
    for task, command in TASKS.items():
        yield f"### train {command}"
        rows = []
        for arch in catalog.architectures(task):
            for name, settings in catalog.presets(task, arch)[1].items():
                shown = ", ".join(f"`{key}={_value(value)}`" for key, value in settings.items() if key != "cell")
                rows.append((f"`{arch}`", f"`{name}`", shown))
        yield _table(("`--arch`", "`--preset`", "settings"), rows)


def _formats() -> str:
    rows = [("`lines`", "any other name", "one record per line")]
    for name in tables.FORMATS[1:]:
        suffixes = ", ".join(f"`{suffix}`" for suffix, kind in tables.SUFFIXES.items() if kind == name)
        rows.append((f"`{name}`", suffixes, "records are rows, read by column"))
    packed = ", ".join(f"`{suffix}`" for suffix in files.SUFFIXES)
    return _table(("`--format`", "file names", "content"), rows) + f"\n\nAll but Parquet may be compressed: {packed}."


def _exit_codes() -> str:
    rows = [("0", "Success."), ("1", "An unexpected error.")]
    for kind in SeqcliError.__subclasses__():
        rows.append((str(kind.exit_code), re.sub(r": exit \d", "", inspect.cleandoc(kind.__doc__))))
    return _table(("code", "meaning"), [*rows, ("130, 143", "Interrupted, terminated.")])


def _tokenizers() -> str:
    rows = [(f"`{name}`", _summary(catalog.load("tokenizers", name))) for name in catalog.names("tokenizers")]
    return _table(("`--tokenizer`", "description"), rows)


def _summary(module: ModuleType) -> str:
    """The first paragraph of a module's docstring."""
    return inspect.cleandoc(module.__doc__).split("\n\n")[0]


def _value(value: Any) -> str:
    """As in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:_}" if isinstance(value, int) else f"{value:g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """`<unk>` outside code would be a tag."""
    parts = re.split("(`[^`]*`)", text.replace("|", "\\|").replace("\n", " "))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def main() -> None:
    written = {DOCS / "reference.md": reference(), DOCS / "models.md": models((DOCS / "models.md").read_text("utf-8"))}
    stale = [path for path, text in written.items() if not path.exists() or path.read_text("utf-8") != text]
    if stale and "--check" in sys.argv:
        sys.exit(f"not up to date: {', '.join(path.name for path in stale)}; run python docs/generate.py")
    for path in stale:
        path.write_text(written[path], "utf-8")


if __name__ == "__main__":
    main()
