"""Several classifiers trained alike: architectures, and seeds of each, on the same texts, into a folder each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from seqcli import catalog
from seqcli.interfaces import Reporter
from seqcli.system import clock
from seqcli.tasks.classification.load import CLASSIFICATION
from seqcli.tasks.classification.train import TrainedClassifier, TrainingTexts, made_before, train_classifier
from seqcli.tasks.language.data import TokenizerChoice
from seqcli.tasks.outputs import drafts
from seqcli.training.config import Request


def places(output: str, requests: list[Request], runs: int, *, seed: int) -> dict[Path, Request]:
    """A folder for each: `output` itself for one, else with /ARCH where there are several, and /SEED where runs are."""
    found = {}
    for request in requests:
        own = Path(output) / request.arch if len(requests) > 1 else Path(output)
        counted = (
            catalog.is_counted(CLASSIFICATION, request.arch) and request.arch == "ngram"
        )  # nothing in it is drawn by chance
        for number in range(runs if not counted else 1):
            seeded = request if runs == 1 or counted else replace(
                request, settings=(*request.settings, ("--runs", {"seed": seed + number}))
            )  # fmt: skip
            found[own / f"seed-{seed + number}" if runs > 1 and not counted else own] = seeded
    return found


def train_all(
    requests: Mapping[Path, Request], given: TrainingTexts, choice: TokenizerChoice, *,
    force: bool, resume: bool, init: str | None, reporter: Reporter,
) -> Iterator[tuple[Path, TrainedClassifier]]:  # fmt: skip
    """One after another, each with the tokenizer of the one before. resume: those that are not done."""
    begun = clock.began()
    with drafts(requests, CLASSIFICATION, force=force, resume=resume) as places:
        for place in places:
            path = place.path
            if place.draft:
                trained = train_classifier(
                    place.draft,
                    given,
                    choice,
                    place.request,
                    resume=place.begun,
                    init=init,
                    reporter=reporter,
                    begun=begun,
                )
            else:
                trained = made_before(path, given, choice, place.request, reporter=reporter)
            yield path, trained
            begun = time.monotonic()  # each has a budget of its own
            if not hasattr(catalog.load("models", trained.record["module"]), "encoder"):
                choice = TokenizerChoice(str(path.resolve()))
