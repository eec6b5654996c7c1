"""Architectures trained alike: on one tokenizer, one held-out part and one budget each, into a folder each.

The first learns the tokenizer, the others take it from its folder; the held-out part is a function of the text and the
seed. One architecture alone is trained as always: an n-gram model then learns from all of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from seqcli import catalog, checkpoints, config
from seqcli.errors import InputError, UsageError, nearest
from seqcli.interfaces import Reporter
from seqcli.models import ngram
from seqcli.runs import MANIFEST, Draft, Run, drafting
from seqcli.tasks.language import neural
from seqcli.tasks.language.corpus import Corpus, TokenizerChoice
from seqcli.tasks.language.counted import train_counted
from seqcli.tasks.language.neural import Request
from seqcli.tasks.language.opened import open_model
from seqcli.tasks.language.told import Trained


def is_counted(arch: str) -> bool:
    return catalog.presets("language", arch)[0] == "ngram"


def requests(
    archs: Sequence[str], preset: str | None, settings: Sequence[tuple[str, Mapping[str, Any]]], **machine: Any
) -> list[Request]:
    """What each is asked: the preset and of the settings those that it knows.

    Raises UsageError for what none of them knows, and for values that cannot be meant.
    """
    presets = {arch: catalog.presets("language", arch)[1] for arch in archs}
    if preset and not any(preset in of_arch for of_arch in presets.values()):
        known = dict.fromkeys(name for of_arch in presets.values() for name in of_arch)
        raise UsageError(f"unknown preset {preset!r}", where="--preset", cure=f"one of {', '.join(known)}")
    known = {arch: _known(arch) for arch in archs}
    for where, values in settings:
        for key in values:
            if not any(key in names for names in known.values()):
                raise UsageError(f"unknown setting {key!r}", where=where, cure=nearest(key, set().union(*known.values())))
    made = [
        Request(
            arch,
            preset if preset in presets[arch] else None,
            tuple((where, {k: v for k, v in values.items() if k in known[arch]}) for where, values in settings),
            **machine,
        )
        for arch in archs
    ]
    for request in made:
        counted_config(request) if is_counted(request.arch) else neural.settings_of(request)
    return made


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
    seeds = [neural.settings_of(request)[2].seed for request in places.values() if not is_counted(request.arch)]
    new = {path.parent for path in places if not path.parent.exists()}
    with ExitStack() as stack:
        stack.callback(_remove_empty, new)
        drafts: dict[Path, Draft] = {}
        for path, request in places.items():
            if not (begun[path] and is_counted(request.arch)):  # else it is done
                drafts[path] = stack.enter_context(drafting(path, force=force, resume=begun[path]))
        for path, request in places.items():
            if path not in drafts:
                trained = _done(path, request)
            elif is_counted(request.arch):
                trained = train_counted(
                    drafts[path], corpus, choice, counted_config(request), memory=memory, valid=valid,
                    holding_out=seeds[0] if seeds and valid is None else None, threads=request.threads, reporter=reporter,
                )  # fmt: skip
            else:
                trained = neural.train(
                    drafts[path], corpus, choice, request, valid=valid, resume=begun[path], reporter=reporter
                )
            yield trained
            choice = TokenizerChoice(str(path.resolve()))


def _known(arch: str) -> set[str]:
    """The settings of an architecture, and of its training if it is not counted."""
    kinds = [catalog.load("models", catalog.presets("language", arch)[0]).Config]
    if not is_counted(arch):
        from seqcli.training.plan import Plan

        kinds.append(Plan)
    return {field.name for kind in kinds for field in fields(kind)}


def counted_config(request: Request) -> ngram.Config:
    preset = request.preset or "small"
    values = catalog.presets("language", request.arch)[1][preset]
    return config.resolve(ngram.Config, (f"preset {preset}", values), *request.settings)


def _is_begun(path: Path) -> bool:
    return (path / MANIFEST).is_file() or checkpoints.are_here(path)


def _remove_empty(folders: set[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # something was made
            folder.rmdir()


def _done(path: Path, request: Request) -> Trained:
    """What was counted before, with the same settings."""
    record, wanted = Run.open(path).config, asdict(counted_config(request))
    for name, value in wanted.items():
        was = record["settings"][name]
        if was != (list(value) if isinstance(value, tuple) else value):
            raise UsageError(f"{name} was {was!r}, is {value!r}", where="--resume", cure="resume with the settings it began with")
    return Trained(open_model(str(path)), record)
