"""Writes docs/reference.md and the tables of settings in docs/models.md from the code: `python docs/generate.py`.

`--check` writes nothing and fails where a file is not up to date, as tests/documents/test_reference.py does.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import typer

from seqcli import catalog, cli
from seqcli.commands import declaration
from seqcli.data import files, records
from seqcli.errors import SeqcliError
from seqcli.training import setting_table
from seqcli.training.config import kinds_of

DOCS = Path(__file__).parent
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
        "Give settings by `--set name=value` or in a TOML file by `--config`; an option such as `--epochs` sets the setting of the same name. "
        "The settings below apply to all neural models; [models.md](models.md) has the settings of each architecture.",
        _settings(kinds_of("language", "transformer")[1]),
        "## Presets",
        "A preset is a named set of settings of an architecture, selected by `--preset`. Settings that it does not list keep their defaults.",
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
    for name, command, context in _leaves(cli.program(), typer.Context):
        yield f"### {name}"
        yield f"```\n{name} {' '.join(declaration.usage(command, context))}\n```"
        description, examples = declaration.parts(command.help)
        yield description
        yield "```sh\n" + "\n".join(examples) + "\n```"
        for group, options in declaration.grouped(command, context).items():
            yield f"**{group}**"
            yield _table(("option", "meaning"), [(f"`{option}`", meaning) for option, meaning in options])


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
    rows = [(f"`{each.name}`", f"`{each.default}`", each.values, each.meaning) for each in setting_table.settings(kind)]
    return _table(("setting", "default", "values", "meaning"), rows)


def _presets() -> Iterator[str]:
    for task, command in catalog.TRAINING.items():
        yield f"### {command}"
        rows = []
        for arch in catalog.architectures(task):
            for name, settings in catalog.presets(task, arch)[1].items():
                shown = setting_table.assignments(settings, "`{}={}`")
                rows.append((f"`{arch}`", f"`{name}`", shown))
        yield _table(("`--arch`", "`--preset`", "settings"), rows)


def _formats() -> str:
    rows = [("`lines`", "any other name", "one record per line")]
    for name in records.FORMATS[1:]:
        suffixes = ", ".join(f"`{suffix}`" for suffix, kind in records.SUFFIXES.items() if kind == name)
        rows.append((f"`{name}`", suffixes, "records are rows, read by column"))
    packed = ", ".join(f"`{suffix}`" for suffix in files.SUFFIXES)
    return _table(("`--format`", "file names", "content"), rows) + f"\n\nAll but Parquet may be compressed: {packed}."


def _exit_codes() -> str:
    rows = [("0", "Success."), ("1", "An unexpected error.")]
    for kind in SeqcliError.__subclasses__():
        rows.append((str(kind.exit_code), re.sub(r": exit \d", "", inspect.cleandoc(kind.__doc__))))
    return _table(("code", "meaning"), [*rows, ("130, 143", "Interrupted, terminated.")])


def _tokenizers() -> str:
    rows = [(f"`{name}`", _summary(catalog.load("tokenizers", name))) for name in catalog.trained_tokenizers()]
    rows.append(
        (
            "`DIR`, `FILE`",
            "The tokenizer of a model or tokenizer folder, also of Hugging Face; a tokenizer.json, a vocab.txt, or a SentencePiece .model file.",
        )
    )
    return _table(("`--tokenizer`", "description"), rows)


def _summary(module: ModuleType) -> str:
    """The first paragraph of a module's docstring."""
    return inspect.cleandoc(module.__doc__).split("\n\n")[0]


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
