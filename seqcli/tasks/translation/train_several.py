"""Trains several architectures on the same pairs with the same tokenizers, each into its own folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seqcli import ranges
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT, OpenTranslator, Reporter
from seqcli.metrics import translator as metrics
from seqcli.system import clock
from seqcli.tasks.initial_model import InitialModel
from seqcli.tasks.language.data import TokenizerChoice
from seqcli.tasks.outputs import drafts
from seqcli.tasks.trained import EXAMPLES, Trained
from seqcli.tasks.training_options import TrainingOptions
from seqcli.tasks.translation import summary
from seqcli.tasks.translation.data import PairFiles, split
from seqcli.tasks.translation.load import TRANSLATION
from seqcli.tasks.translation.train import TrainingPairs, train_translator
from seqcli.training import config


def train_translators(
    files: PairFiles,
    output: str,
    options: TrainingOptions,
    *,
    valid: PairFiles | None = None,
    metric: str = "chrf",
    init: str | None = None,
    separate: bool = False,
    reporter: Reporter = SILENT,
) -> Iterator[Trained[OpenTranslator]]:
    """Implements `seqcli train translator`: checks everything, then trains the translators into `output`, several into folders in
    it.

    metric: selects the best weights; init: a translator that provides the initial weights and the tokenizers; separate: train a
    tokenizer for each side. Raises UsageError for options that cannot be combined.
    """
    ranges.chosen("metric", metric, tuple(metrics.names()))
    options.check(TRANSLATION, without_effect={}, tokenizer="sentencepiece")
    if init and (options.tokenizer or options.vocab_size or separate or len(options.arch) > 1):
        cure = "leave out --tokenizer, --vocab-size and --separate"
        raise UsageError("--init needs a single --arch and uses the tokenizers of its model", cure=cure)
    shared = InitialModel.open(init).shared(TRANSLATION, options) if init else []
    given = {**options.budget, "seed": options.given_seed, "batch_tokens": options.batch_tokens}
    requests = options.requests(TRANSLATION, given, shared=shared)
    options.check_machine()
    options.check_processes(len(requests))
    for each in (files, valid) if valid else (files,):
        each.check()
    several = len(requests) > 1
    places = {Path(output) / request.arch if several else Path(output): request for request in requests}
    deadline = config.reading(requests, places if options.resume else (), passes=2)
    pairs = files.read(deadline=deadline, reporter=reporter)
    if valid:
        judged = valid.read(reporter=reporter)
    else:
        pairs, judged = split(pairs, seed=options.given_seed or 0)
    reporter.note(summary.pairs(pairs, judged))
    if deadline.passed:
        read = f"{len(pairs) + len(judged):,} pairs"
        reporter.note(f"read only the first {read}, since time for reading is limited; use more --minutes to read more")
    learnt_from = TrainingPairs(
        pairs,
        judged,
        files.files,
        separate=separate,
        metric=metric,
        threads=options.threads,
        blocks=deadline.read if deadline.passed else None,
    )
    choice, examples, begun = options.choice("sentencepiece"), judged.first(EXAMPLES), clock.began()
    with drafts(places, TRANSLATION, force=options.force, resume=options.resume) as drafted:
        for place in drafted:
            assert place.draft is not None, "no translator is counted"
            trained = train_translator(
                place.draft,
                learnt_from,
                choice,
                place.request,
                resume=place.begun,
                init=init,
                reporter=reporter,
                begun=begun,
            )
            lines = tuple(summary.summary_lines(trained.record, valid.files if valid else ()))
            name = place.request.arch
            yield replace(trained, path=place.path, name=name, several=several, summary=lines, examples=examples)
            begun = time.monotonic()  # each has its own budget
            if not separate and not init:
                choice = TokenizerChoice(str(place.path.resolve()))
