"""Trains one or several models, each into its own folder: all folders are locked, or an error is raised, before the first is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from seqcli import catalog
from seqcli.errors import UsageError
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import MANIFEST
from seqcli.runs.model_writer import ModelWriter, sweep, writing_model
from seqcli.system import clock
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.training.config import Request

Opened = TypeVar("Opened")
EXAMPLES = 100  # held-out rows that are kept to show examples


@dataclass(frozen=True)
class Trained(Generic[Opened]):
    """A trained model. record: of the training; its `valid` are the figures on held-out text.

    name: among models that are trained together; several: whether there are others; summary: lines about the training;
    examples: held-out rows, each a text and its label or translation.
    """

    path: Path
    opened: Opened
    record: dict[str, Any]
    name: str = ""
    several: bool = False
    summary: Sequence[str] = ()
    examples: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Output:
    """The folder of a model. resume: whether its training is continued; writer: None for a counted model, which is already done."""

    path: Path
    request: Request
    resume: bool
    writer: ModelWriter | None


def folders(output: str, requests: Sequence[Request]) -> dict[Path, Request]:
    """The folder of each model: `output` for a single one, otherwise with /ARCH."""
    several = len(requests) > 1
    return {Path(output) / request.arch if several else Path(output): request for request in requests}


def train_each(
    requests: Mapping[Path, Request], task: str, train: Callable[[Output, TokenizerChoice, float], Trained[Opened]], *,
    choice: TokenizerChoice, force: bool, resume: bool, share_tokenizer: Callable[[Trained[Opened]], bool] = lambda _: True,
) -> Iterator[Trained[Opened]]:  # fmt: skip
    """Trains the models one after another by `train(output, choice of the tokenizer, start of the budget)`.

    requests: by folder; resume: continue those that are not done; share_tokenizer: whether the next models use the tokenizer of this
    one. Raises UsageError or BusyError if a folder may not be written.
    """
    begun = clock.began()
    with _locked(requests, task, force=force, resume=resume) as outputs:
        for output in outputs:
            trained = train(output, choice, begun)
            yield trained
            begun = time.monotonic()  # each has its own budget
            if share_tokenizer(trained):
                choice = TokenizerChoice(str(output.path.resolve()))


@contextmanager
def _locked(requests: Mapping[Path, Request], task: str, *, force: bool, resume: bool) -> Iterator[list[Output]]:
    """A context with the folders. Empty folders are removed at the end."""
    several, parents = len(requests) > 1, {parent for path in requests for parent in path.parents}
    for parent in parents if several else ():
        if (parent / MANIFEST).is_file():
            raise UsageError(
                "is a model folder and cannot hold several models", where=str(parent), cure="use another -o"
            )
    new = {parent for parent in parents if not parent.exists()}
    with ExitStack() as stack:
        stack.callback(_remove_empty, new)
        outputs = []
        for path, request in requests.items():
            continued = resume and (not several or (path / MANIFEST).is_file() or checkpoint.are_here(path))
            done = continued and catalog.is_counted(task, request.arch)
            if done:
                sweep(path)
            writer = None if done else stack.enter_context(writing_model(path, force=force, resume=continued))
            outputs.append(Output(path, request, continued, writer))
        yield outputs


def _remove_empty(folders: set[Path]) -> None:
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with suppress(OSError):  # the folder is not empty
            folder.rmdir()
