"""What a shell completes after an option: architectures, presets, tokenizers, columns of the input, models.

`OPTIONS` says which option takes what; `options.with_options` gives each its completion. Nothing heavy is imported: a table's
header is read, a model's weights are not. What cannot be read completes to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import typer

from seqcli.errors import SeqcliError

Completion = Callable[[typer.Context, str], list[str]]


def of(name: str, values: Sequence[str] = ()) -> Completion | None:
    """The completion of an option or argument by the name of its parameter. values: all that it takes, if they are few."""
    source = (lambda context, incomplete: values) if values else OPTIONS.get(name)
    if source is None:
        return None

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        with suppress(SeqcliError, OSError, ValueError):
            return [each for each in source(ctx, incomplete) if each.startswith(incomplete)]
        return []

    return complete


def _architectures(context: typer.Context, incomplete: str) -> Iterable[str]:
    from seqcli import catalog

    task = _task(context)
    return () if task is None else catalog.architectures(task)


def _presets(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Of the architectures that were given, or of all."""
    from seqcli import catalog

    task = _task(context)
    archs = context.params.get("arch") or _architectures(context, incomplete)
    return dict.fromkeys(preset for arch in archs for preset in catalog.presets(task, arch)[1]) if task else ()


def _task(context: typer.Context) -> str | None:
    """The task whose architectures the command trains."""
    from seqcli import catalog

    return next((task for task, command in catalog.TRAINING.items() if command == f"train {context.info_name}"), None)


def _tokenizers(context: typer.Context, incomplete: str) -> Iterable[str]:
    from seqcli import catalog

    return [*catalog.trained_tokenizers(), *_models(context, incomplete)]


def _models(context: typer.Context, incomplete: str) -> Iterable[str]:
    """Sample models by name, and the folders of models beside what was begun; `NAME=` stays before them."""
    from seqcli import samples, tokenizers
    from seqcli.interop.formats.arpa import SUFFIXES
    from seqcli.runs.model_folder import MANIFEST

    name, sign, path = incomplete.rpartition("=")
    parent = os.path.dirname(path)
    paths = []
    with suppress(OSError), os.scandir(parent or ".") as entries:
        for entry in entries:
            ours = any(os.path.isfile(os.path.join(entry.path, file)) for file in (MANIFEST, tokenizers.FILE))
            if ours or entry.name.endswith((*SUFFIXES, ".arpa.gz", ".model")):
                paths.append(os.path.join(parent, entry.name))
            elif entry.is_dir() and not entry.name.startswith("."):
                paths.append(os.path.join(parent, entry.name, ""))  # a model may be below
    return [name + sign + each for each in (*sorted(paths), *samples.every())]


def _columns(context: typer.Context, incomplete: str) -> Iterable[str]:
    """The names in the header of the first table that the command is to read."""
    from seqcli.data import records

    of_options = (context.params.get("data"), context.params.get("input"))
    for path in [
        *(path for files in of_options for path in files or ()),
        *context.args,
    ]:  # args: before an option's value is there
        if os.path.isfile(path) and records.is_table(path, context.params.get("format")):
            return _header(path, format=context.params.get("format"))
    return ()


def _header(path: str, *, format: str | None) -> Sequence[str]:
    from seqcli.data import columns, records

    names: list[str] = []

    @dataclass(frozen=True)
    class Noted(columns.ColumnSpec):
        """Takes any column, and keeps the names of all: every format asks one so for its place."""

        def found(self, all_names: Sequence[str], *, where: str, kind: str = "column") -> str:
            names.extend(all_names)
            return all_names[0]

    with suppress(SeqcliError):
        next(iter(records.read_rows(path, [Noted("text", ())], format=format)), None)
    return list(dict.fromkeys(names))


OPTIONS: dict[str, Callable[[Any, str], Iterable[str]]] = {
    "arch": _architectures,
    "preset": _presets,
    "tokenizer": _tokenizers,
    **dict.fromkeys(("model", "init", "embeddings"), _models),
    **dict.fromkeys(("text_column", "label_column", "source_column", "target_column", "keep"), _columns),
}
