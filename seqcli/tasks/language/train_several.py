"""Trains several architectures with the same tokenizer, held-out part and budget, each into its own folder.

The first one trains the tokenizer, and the others open it from its folder; the held-out part depends on the text and the seed. A single
architecture is trained as usual: an n-gram model is then counted on all of the text.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seqcli import catalog, ranges
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, OpenModel, Reporter
from seqcli.ngram.arena import default_memory
from seqcli.system import clock
from seqcli.tasks.initial_model import InitialModel
from seqcli.tasks.language.data import Corpus, TokenizerChoice, check_readable
from seqcli.tasks.language.load import LANGUAGE
from seqcli.tasks.language.summary import summary_lines
from seqcli.tasks.language.train import train_network
from seqcli.tasks.language.train_counted import counted_before, train_counted
from seqcli.tasks.outputs import drafts
from seqcli.tasks.trained import Trained
from seqcli.tasks.training_options import TrainingOptions
from seqcli.training.config import Request, kinds_of, settings_of


def train_language_models(
    corpus: Corpus,
    output: str,
    options: TrainingOptions,
    *,
    valid: Corpus | None = None,
    order: int | None = None,
    prune: Sequence[int] | None = None,
    quantize: int | None = None,
    memory: int | None = None,
    objective: str | None = None,
    init: str | None = None,
    reporter: Reporter = SILENT,
) -> Iterator[Trained[OpenModel]]:
    """Implements `seqcli train lm`: checks everything, then trains the models into `output`, several into folders in it.

    order, prune, quantize, memory (bytes): of n-gram models; objective: what a Transformer predicts; init: a language model that
    provides the initial weights and the tokenizer. Raises UsageError for options that cannot be combined.
    """
    training, counted = (
        options.trains(LANGUAGE),
        {
            "order": order,
            "prune": None if prune is None else list(prune),
            "quantize": quantize,
        },
    )
    for_networks = {**options.budget, "tensorboard": options.tensorboard or None, "init": init}
    without_effect = {
        **({} if options.counts(LANGUAGE) else {**counted, "memory": memory}),
        **({} if training else for_networks),
        **({} if _has_objective(options.arch) else {"objective": objective}),
    }
    options.check(LANGUAGE, without_effect=without_effect, tokenizer="words")
    if objective == "masked" and len(options.arch) > 1:
        what = "--objective masked needs a single --arch: its pseudo-perplexity does not compare with perplexities"
        raise UsageError(what, cure="use --objective hybrid to compare")
    if init and (options.tokenizer or options.vocab_size or len(options.arch) > 1):
        cure = "leave out --tokenizer and --vocab-size"
        raise UsageError("--init needs a single --arch and uses the tokenizer of its model", cure=cure)
    if memory is not None:
        ranges.checked("memory", memory, ranges.MEMORY)
    given = {**counted, **options.budget, "objective": objective}
    if training:
        given |= {"seed": options.given_seed, "batch_tokens": options.batch_tokens}
    options.check_machine()
    paths = [*corpus.paths, *(valid.paths if valid else ())]
    check_readable(paths, text_column=corpus.text_column, format=corpus.format)
    if not training:
        options.without(reporter, "device", "precision", "batch_tokens", reason="an n-gram model is counted")
        if options.given_seed is not None:
            reporter.note("--seed has no effect: an n-gram model is counted")
    requests = options.requests(
        LANGUAGE, given, shared=InitialModel.open(init).shared(LANGUAGE, options) if init else []
    )
    options.check_processes(len(requests))
    several = len(requests) > 1
    places = {Path(output) / request.arch if several else Path(output): request for request in requests}
    for trained in train_several(
        places,
        corpus,
        options.choice("words"),
        valid=valid,
        memory=memory or default_memory(),
        force=options.force,
        resume=options.resume,
        init=init,
        reporter=reporter,
    ):
        lines = tuple(summary_lines(trained.record, valid.paths if valid else ()))
        yield replace(trained, name=trained.opened.arch, several=several, summary=lines)


def _has_objective(archs: Sequence[str]) -> bool:
    """Whether one of the architectures can be trained as a masked language model."""
    kinds = [kind for arch in archs for kind in kinds_of(LANGUAGE, arch)]
    return any(field.name == "objective" for kind in kinds for field in dataclasses.fields(kind))


def train_several(
    places: Mapping[Path, Request], corpus: Corpus, choice: TokenizerChoice, *,
    valid: Corpus | None, memory: int, force: bool = False, resume: bool = False, init: str | None = None, reporter: Reporter,
) -> Iterator[Trained[OpenModel]]:  # fmt: skip
    """Trains the models one after another, each into its folder. resume: continue those that are not done."""
    if len(places) > 1 and (once := corpus.read_once()):
        cure = "save it to a file first"
        raise InputError(
            "a pipe can be read only once, but several models read the text several times", where=once, cure=cure
        )
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
                    place.draft, corpus, choice, settings_of(place.request)[1], arch=place.request.arch, memory=memory, valid=valid,
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
                    init=init,
                    reporter=reporter,
                    begun=begun,
                )
            yield trained
            begun = time.monotonic()  # each has its own budget
            choice = TokenizerChoice(str(place.path.resolve()))
