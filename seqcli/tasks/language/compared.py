"""Architectures trained alike: on one tokenizer, one held-out part and one budget each, into a folder each.

The first learns the tokenizer, the others take it from its folder; the held-out part is a function of the text and the
seed. One architecture alone is trained as always: an n-gram model then learns from all of the text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from seqcli import catalog, clock
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import Reporter
from seqcli.runs import Run
from seqcli.tasks.drafts import drafts
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
    """Trains one after another, each into its folder. resume: goes on with those that are not done."""
    if len(places) > 1 and (once := corpus.read_once()):
        cure = "save it to a file first"
        raise InputError("text that is read only once cannot teach several models", where=once, cure=cure)
    seeds = [settings_of(request)[2].seed for request in places.values() if not catalog.is_counted(TASK, request.arch)]
    begun = clock.began()
    with drafts(places, TASK, force=force, resume=resume) as drafted:
        for place in drafted:
            if not place.draft:
                trained = _done(place.path, place.request)
            elif catalog.is_counted(TASK, place.request.arch):
                trained = train_counted(
                    place.draft, corpus, choice, settings_of(place.request)[1], memory=memory, valid=valid,
                    holding_out=seeds[0] if seeds and valid is None else None, threads=place.request.threads, reporter=reporter,
                )  # fmt: skip
            else:
                trained = neural.train(
                    place.draft, corpus, choice, place.request, valid=valid, resume=place.begun, reporter=reporter, begun=begun
                )
            yield trained
            begun = time.monotonic()  # each has a budget of its own
            choice = TokenizerChoice(str(place.path.resolve()))


def _done(path: Path, request: Request) -> Trained:
    """What was counted before, with the same settings."""
    record, wanted = Run.open(path).config, asdict(settings_of(request)[1])
    for name, value in wanted.items():
        was = record["settings"][name]
        if was != (list(value) if isinstance(value, tuple) else value):
            raise UsageError(f"{name} was {was!r}, is {value!r}", where="--resume", cure="resume with the settings it began with")
    return Trained(open_model(str(path)), record)
