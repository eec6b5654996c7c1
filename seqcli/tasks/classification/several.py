"""Several classifiers trained alike: architectures, and seeds of each, on the same texts, into a folder each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from seqcli import catalog, checkpoints
from seqcli.errors import UsageError
from seqcli.interfaces import Reporter
from seqcli.runs import MANIFEST, Draft, Run, drafting
from seqcli.tasks.classification.making import Given, Trained, train
from seqcli.tasks.classification.opened import TASK, open_classifier
from seqcli.tasks.language.corpus import TokenizerChoice
from seqcli.training.request import Request


def places(output: str, requests: list[Request], runs: int, *, seed: int) -> dict[Path, Request]:
    """A folder for each: `output` itself for one, else with /ARCH where there are several, and /SEED where runs are."""
    found = {}
    for request in requests:
        own = Path(output) / request.arch if len(requests) > 1 else Path(output)
        counted = catalog.is_counted(TASK, request.arch) and request.arch == "ngram"  # nothing in it is drawn by chance
        for number in range(runs if not counted else 1):
            seeded = request if runs == 1 or counted else replace(
                request, settings=(*request.settings, ("--runs", {"seed": seed + number}))
            )  # fmt: skip
            found[own / f"seed-{seed + number}" if runs > 1 and not counted else own] = seeded
    return found


def train_all(
    requests: Mapping[Path, Request], given: Given, choice: TokenizerChoice, *,
    force: bool, resume: bool, init: str | None, reporter: Reporter,
) -> Iterator[tuple[Path, Trained]]:  # fmt: skip
    """One after another; all folders are locked, or refused, before the first is trained. resume: those that are not done."""
    many = len(requests) > 1
    new = {parent for path in requests for parent in path.parents if not parent.exists()}
    for parent in {parent for path in requests for parent in path.parents} if many else ():
        if (parent / MANIFEST).is_file():
            raise UsageError("is a model, and no place for several", where=str(parent), cure="give another -o")
    with ExitStack() as stack:
        stack.callback(_remove_empty, new)
        drafts: dict[Path, Draft] = {}
        begun = {path: resume and (not many or (path / MANIFEST).is_file() or checkpoints.are_here(path)) for path in requests}
        for path, request in requests.items():
            if not (begun[path] and catalog.is_counted(TASK, request.arch)):  # else it is done
                drafts[path] = stack.enter_context(drafting(path, force=force, resume=begun[path]))
        for path, request in requests.items():
            if path in drafts:
                trained = train(drafts[path], given, choice, request, resume=begun[path], init=init, reporter=reporter)
            else:
                trained = Trained(open_classifier(str(path), name=path.name), Run.open(path).config)
            yield path, trained
            if not hasattr(catalog.load("models", trained.record["module"]), "encoder"):
                choice = TokenizerChoice(str(path.resolve()))


def _remove_empty(folders: set[Path]) -> None:
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        with suppress(OSError):  # something was made
            folder.rmdir()
