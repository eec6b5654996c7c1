"""The output folders of several models: all are locked, or an error is raised, before the first is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from seqcli import catalog
from seqcli.errors import UsageError
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import MANIFEST
from seqcli.runs.model_writer import ModelWriter, drafting, sweep
from seqcli.training.config import Request


@dataclass(frozen=True)
class Place:
    """The folder of a model. begun: whether its training is continued; draft: None for a counted model, which is already done."""

    path: Path
    request: Request
    begun: bool
    draft: ModelWriter | None


@contextmanager
def drafts(requests: Mapping[Path, Request], task: str, *, force: bool, resume: bool) -> Iterator[list[Place]]:
    """A context with the folders. resume: continue the model, or those of several that have been started. Empty folders are removed at the
    end.

    Raises UsageError or BusyError if a folder may not be written.
    """
    many, parents = len(requests) > 1, {parent for path in requests for parent in path.parents}
    for parent in parents if many else ():
        if (parent / MANIFEST).is_file():
            raise UsageError(
                "is a model folder and cannot hold several models", where=str(parent), cure="use another -o"
            )
    new = {parent for parent in parents if not parent.exists()}
    with ExitStack() as stack:
        stack.callback(_remove_empty, new)
        places = []
        for path, request in requests.items():
            begun = resume and (not many or (path / MANIFEST).is_file() or checkpoint.are_here(path))
            done = begun and catalog.is_counted(task, request.arch)
            if done:
                sweep(path)
            draft = None if done else stack.enter_context(drafting(path, force=force, resume=begun))
            places.append(Place(path, request, begun, draft))
        yield places


def _remove_empty(folders: set[Path]) -> None:
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with suppress(OSError):  # the folder is not empty
            folder.rmdir()
