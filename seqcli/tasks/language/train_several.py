"""Architectures trained alike: on one tokenizer, one held-out part and one budget each, into a folder each.

The first learns the tokenizer, the others take it from its folder; the held-out part is a function of the text and the
seed. One architecture alone is trained as always: an n-gram model then learns from all of the text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from seqcli import catalog
from seqcli.errors import InputError
from seqcli.interfaces import Reporter
from seqcli.system import clock
from seqcli.tasks.language.data import Corpus, TokenizerChoice
from seqcli.tasks.language.load import LANGUAGE
from seqcli.tasks.language.summary import TrainedModel
from seqcli.tasks.language.train import train_network
from seqcli.tasks.language.train_counted import counted_before, train_counted
from seqcli.tasks.outputs import drafts
from seqcli.training.config import Request, settings_of


def train_several(
    places: Mapping[Path, Request], corpus: Corpus, choice: TokenizerChoice, *,
    valid: Corpus | None, memory: int, force: bool = False, resume: bool = False, reporter: Reporter,
) -> Iterator[TrainedModel]:  # fmt: skip
    """Trains one after another, each into its folder. resume: goes on with those that are not done."""
    if len(places) > 1 and (once := corpus.read_once()):
        cure = "save it to a file first"
        raise InputError("text that is read only once cannot teach several models", where=once, cure=cure)
    seeds = [
        settings_of(request)[2].seed for request in places.values() if not catalog.is_counted(LANGUAGE, request.arch)
    ]
    begun = clock.began()
    with drafts(places, LANGUAGE, force=force, resume=resume) as drafted:
        for place in drafted:
            holding_out, threads = seeds[0] if seeds and valid is None else None, place.request.threads
            if not place.draft:
                trained = counted_before(
                    place.path, corpus, choice, settings_of(place.request)[1], valid=valid, holding_out=holding_out,
                    threads=threads, reporter=reporter,
                )  # fmt: skip
            elif catalog.is_counted(LANGUAGE, place.request.arch):
                trained = train_counted(
                    place.draft, corpus, choice, settings_of(place.request)[1], memory=memory, valid=valid,
                    holding_out=holding_out, threads=threads, reporter=reporter,
                )  # fmt: skip
            else:
                trained = train_network(
                    place.draft,
                    corpus,
                    choice,
                    place.request,
                    valid=valid,
                    resume=place.begun,
                    reporter=reporter,
                    begun=begun,
                )
            yield trained
            begun = time.monotonic()  # each has a budget of its own
            choice = TokenizerChoice(str(place.path.resolve()))
