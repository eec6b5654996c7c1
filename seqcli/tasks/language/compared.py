"""Architectures trained alike: on one tokenizer, one held-out part and one budget each, into a folder each.

The first learns the tokenizer, the others take it from its folder; the held-out part is a function of the text and the
seed. One architecture alone is trained as always: an n-gram model then learns from all of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from seqcli import catalog, checkpoints
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import Reporter
from seqcli.runs import MANIFEST, Draft, Run, drafting
from seqcli.tasks.language import neural
from seqcli.tasks.language.corpus import Corpus, TokenizerChoice
from seqcli.tasks.language.counted import train_counted
from seqcli.tasks.language.opened import TASK, open_model
from seqcli.tasks.language.told import Trained
from seqcli.training.request import Request, settings_of


def train(
    places: Mapping[Path, Request], corpus: Corpus, choice: TokenizerChoice, *,
    valid: Corpus | None, memory: int, force: bool = False, resume: bool = False, reporter: Reporter,
) -> Iterator[Trained]:  # fmt: skip
    """Trains one after another, each into its folder. resume: goes on with those that are not done.

    All folders are locked, or refused, before the first is trained.
    """
    many = len(places) > 1
    if many and (once := corpus.read_once()):
        cure = "save it to a file first"
        raise InputError("text that is read only once cannot teach several models", where=once, cure=cure)
    for parent in {path.parent for path in places} if many else ():
        if (parent / MANIFEST).is_file():
            raise UsageError("is a model, and no place for several", where=str(parent), cure="give another -o")
    begun = {path: resume and (not many or _is_begun(path)) for path in places}
    seeds = [settings_of(request)[2].seed for request in places.values() if not catalog.is_counted(TASK, request.arch)]
    new = {path.parent for path in places if not path.parent.exists()}
    with ExitStack() as stack:
        stack.callback(_remove_empty, new)
        drafts: dict[Path, Draft] = {}
        for path, request in places.items():
            if not (begun[path] and catalog.is_counted(TASK, request.arch)):  # else it is done
                drafts[path] = stack.enter_context(drafting(path, force=force, resume=begun[path]))
        for path, request in places.items():
            if path not in drafts:
                trained = _done(path, request)
            elif catalog.is_counted(TASK, request.arch):
                trained = train_counted(
                    drafts[path], corpus, choice, settings_of(request)[1], memory=memory, valid=valid,
                    holding_out=seeds[0] if seeds and valid is None else None, threads=request.threads, reporter=reporter,
                )  # fmt: skip
            else:
                trained = neural.train(
                    drafts[path], corpus, choice, request, valid=valid, resume=begun[path], reporter=reporter
                )
            yield trained
            choice = TokenizerChoice(str(path.resolve()))


def _is_begun(path: Path) -> bool:
    return (path / MANIFEST).is_file() or checkpoints.are_here(path)


def _remove_empty(folders: set[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # something was made
            folder.rmdir()


def _done(path: Path, request: Request) -> Trained:
    """What was counted before, with the same settings."""
    record, wanted = Run.open(path).config, asdict(settings_of(request)[1])
    for name, value in wanted.items():
        was = record["settings"][name]
        if was != (list(value) if isinstance(value, tuple) else value):
            raise UsageError(f"{name} was {was!r}, is {value!r}", where="--resume", cure="resume with the settings it began with")
    return Trained(open_model(str(path)), record)
