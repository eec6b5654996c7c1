"""Implements `seqcli train translator`: one or several architectures on the same pairs, with the same tokenizers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from seqcli import ranges
from seqcli.data.pairs import Pairs
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT, OpenTranslator, Reporter
from seqcli.metrics import translator as metrics
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import EXAMPLES, Output, Trained, folders, train_each
from seqcli.tasks.training_options import TrainingOptions
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
    shared = InitialModel.open(init).shared(TRANSLATION, options.arch[0], has_budget=options.has_budget) if init else []
    given = {**options.budget, "seed": options.given_seed, "batch_tokens": options.batch_tokens}
    requests = options.requests(TRANSLATION, given, shared=shared)
    options.check_machine()
    options.check_processes(len(requests))
    for each in (files, valid) if valid else (files,):
        each.check()
    models = folders(output, requests)
    deadline = config.reading(requests, models if options.resume else (), passes=2)
    pairs = files.read(deadline=deadline, reporter=reporter)
    if valid:
        held_out = valid.read(reporter=reporter)
    else:
        pairs, held_out = split(pairs, seed=options.given_seed or 0)
    reporter.note(_sizes(pairs, held_out))
    if deadline.passed:
        read = f"{len(pairs) + len(held_out):,} pairs"
        reporter.note(f"read only the first {read}, since time for reading is limited; use more --minutes to read more")
    data = TrainingPairs(
        pairs,
        held_out,
        files.files,
        separate=separate,
        metric=metric,
        threads=options.threads,
        blocks=deadline.read if deadline.passed else None,
    )

    def train(place: Output, choice: TokenizerChoice, begun: float) -> Trained[OpenTranslator]:
        assert place.writer is not None, "no translator is counted"
        return train_translator(
            place.writer, data, choice, place.request, resume=place.resume, init=init, reporter=reporter, begun=begun
        )  # fmt: skip

    examples = held_out.first(EXAMPLES)
    for trained in train_each(
        models, TRANSLATION, train, choice=options.choice("sentencepiece"), force=options.force, resume=options.resume,
        share_tokenizer=lambda _: not separate and not init,
    ):  # fmt: skip
        lines = tuple(summary_lines(trained.record, valid.files if valid else ()))
        yield replace(trained, name=trained.record["arch"], several=len(models) > 1, summary=lines, examples=examples)


def _sizes(training: Pairs, held_out: Pairs) -> str:
    blank = f" ({training.blank:,} with a blank side were left out)" if training.blank else ""
    return f"{len(training):,} pairs{blank}; {len(held_out):,} held out"


def summary_lines(record: Mapping[str, Any], valid: Iterable[str]) -> Iterator[str]:
    """The summary. valid: the files of held-out pairs, if they were not a part of the training pairs."""
    data, figures, p = record["data"], record["valid"], record["progress"]
    unigram = (
        f" (unigram {math.exp(record['baseline']['unigram']):.2f})" if "baseline" in record else ""
    )  # missing in older folders
    yield (
        f"{data['source_tokens']:,} to {data['target_tokens']:,} tokens; {record['parameters']:,} parameters, {p['step']:,} steps in "
        f"{p['seconds']:.1f} s, {p['tokens'] / max(p['seconds'], 1e-9):,.0f} target tokens/s, {record['precision']}; "
        f"best at step {p['best_step']:,}"
    )
    sample = f", a sample of {figures['held_out_pairs']:,}" if figures["held_out_pairs"] > figures["pairs"] else ""
    yield (
        f"on {', '.join(valid) or 'held-out pairs'}: perplexity {figures['perplexity']:.2f} per token{unigram}, "
        f"BLEU {figures['bleu']:.2f}, chrF {figures['chrf']:.2f} on {figures['pairs']:,} pairs{sample}"
    )
