"""Opens model folders for a task, of seqcli and of other tools: finds the module of the architecture, reports damage, and
retries if the model is replaced meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from seqcli import catalog
from seqcli.errors import ModelError
from seqcli.interop import formats
from seqcli.runs.model_folder import ModelFolder, version_of

Opened = TypeVar("Opened")


def open_folder(source: str, task: str, make: Callable[[ModelFolder, ModuleType], Opened]) -> Opened:
    """The result of `make` for the folder `source` and the module of its architecture.

    Raises ModelError for a model of another task, of an unknown architecture, or a damaged one.
    """
    version = version_of(source)
    try:
        return _made(source, task, make)
    except ModelError:
        if version_of(source) == version:
            raise
        return open_folder(source, task, make)  # a training replaced it while it was read


def open_saved(path: Path, make: Callable[[ModelFolder, ModuleType], Opened]) -> Opened:
    """The result of `make` for a model that seqcli has saved in `path`, and that this process may keep locked."""
    run = ModelFolder.open(path)
    return make(run, catalog.load("models", run.config.get("module", run.arch)))


def folder_of(source: str) -> ModelFolder:
    """The model in a folder, of seqcli or in a format of another tool. Raises ModelError if there is no valid one."""
    format = formats.reader(source)
    return ModelFolder.open(source) if format is None else format.open(source)


def verified_folder(source: str) -> ModelFolder:
    """As `folder_of`, after every file has been read and verified."""

    def made() -> ModelFolder:
        run = folder_of(source)
        run.verify()
        return run

    return checked(source, made)


def is_network(module: ModuleType) -> bool:
    """Whether all weights of an architecture are read for inference; tables are memory-mapped."""
    return hasattr(module, "build")


def _made(source: str, task: str, make: Callable[[ModelFolder, ModuleType], Opened]) -> Opened:
    run = checked(source, lambda: folder_of(source).expect(task))
    module = run.config.get("module", run.arch)
    if module not in catalog.names("models"):
        raise ModelError(f"unknown architecture {module!r}", where=source, cure="upgrade seqcli or train again")
    return checked(source, lambda: make(run, catalog.load("models", module)))


def checked(source: str, make: Callable[[], Opened]) -> Opened:
    """The result of `make`. Raises ModelError if settings or weights are damaged."""
    try:
        return make()
    except ModelError as error:
        raise ModelError(error.what, where=error.where or source, cure=error.cure) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"damaged settings ({error})", where=source, cure="restore the file or train again") from None
