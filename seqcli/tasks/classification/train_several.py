"""Implements `seqcli train classifier`: one or several classifiers on the same texts: architectures, and several seeds of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import catalog, ranges
from seqcli.errors import InputError, UsageError, listed, nearest
from seqcli.interfaces import SILENT, Reporter
from seqcli.metrics import classifier
from seqcli.tasks.classification.data import JUDGED, LabelledFiles, Texts, split, weights_of_labels
from seqcli.tasks.classification.load import CLASSIFICATION, OpenClassifier
from seqcli.tasks.classification.train import TrainingTexts, made_before, train_classifier
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import EXAMPLES, Output, Trained, train_each
from seqcli.tasks.training_options import TrainingOptions
from seqcli.training import config
from seqcli.training.config import Request

_SHOWN = 12  # maximum number of labels shown


def train_classifiers(
    files: LabelledFiles,
    output: str,
    options: TrainingOptions,
    *,
    valid: LabelledFiles | None = None,
    order: int | None = None,
    runs: int = 1,
    metric: str | None = None,
    label_weights: str | None = None,
    init: str | None = None,
    reporter: Reporter = SILENT,
) -> Iterator[Trained[OpenClassifier]]:
    """Implements `seqcli train classifier`: checks everything, then trains the classifiers into `output`, several into folders in
    it.

    order: of n-grams; runs: number of runs of each, with consecutive seeds; metric: selects the best weights; label_weights: see
    `weights_of_labels`; init: language model that initialises the body. Raises UsageError for options that cannot be combined.
    """
    archs, training = list(options.arch), options.trains(CLASSIFICATION)
    ranges.checked("runs", runs, ranges.RUNS)
    if metric is not None:
        ranges.chosen("metric", metric, tuple(classifier.names()))
    options.check(
        CLASSIFICATION,
        without_effect=_without_effect(options, order=order, runs=runs, metric=metric, init=init),
        tokenizer="sentencepiece",
    )
    if init and (options.tokenizer or options.vocab_size):
        raise UsageError("--init uses the tokenizer of its model", cure="leave out --tokenizer and --vocab-size")
    if init and len(archs) > 1:
        raise UsageError("--init needs a single --arch")
    given = {"order": order, **options.budget, "seed": options.given_seed, "batch_tokens": options.batch_tokens}
    if not training:
        reason = f"--arch {' and '.join(archs)} trains no neural model"
        options.without(reporter, "device", "precision", "batch_tokens", reason=reason)
        given["batch_tokens"] = None
    if archs == ["ngram"]:
        if valid and options.given_seed is not None:
            reporter.note("--seed has no effect: n-grams are counted, and --valid names the held-out texts")
        given["seed"] = None
    shared = beginning_with(init, options) if init else []
    requests = options.requests(CLASSIFICATION, given, shared=shared)
    options.check_machine()
    options.check_processes(len(requests) * runs, cure="give one --arch and no --runs, or do not use torchrun")
    for each in (files, valid) if valid else (files,):
        each.check()
    models = places(output, requests, runs, seed=options.given_seed or 0)
    texts = _read(
        files, valid, requests, models, options=options, label_weights=label_weights, metric=metric, reporter=reporter
    )

    def train(place: Output, choice: TokenizerChoice, begun: float) -> Trained[OpenClassifier]:
        if place.writer is None:
            return made_before(place.path, texts, choice, place.request, reporter=reporter)
        return train_classifier(
            place.writer, texts, choice, place.request, resume=place.resume, init=init, reporter=reporter, begun=begun
        )  # fmt: skip

    examples = texts.valid.first(EXAMPLES)
    for trained in train_each(
        models, CLASSIFICATION, train, choice=options.choice("sentencepiece"), force=options.force, resume=options.resume,
        share_tokenizer=_has_tokenizer,
    ):  # fmt: skip
        name = trained.path.name
        if len(archs) > 1:
            name = trained.record["arch"] + (f"/{name}" if name.startswith("seed-") else "")
        lines = tuple(summary_lines(trained.record, valid.paths if valid else ()))
        yield replace(trained, name=name, several=len(models) > 1, summary=lines, examples=examples)


def _has_tokenizer(trained: Trained[OpenClassifier]) -> bool:
    """Whether a classifier has a tokenizer, rather than reading text."""
    return not hasattr(catalog.load("models", trained.record["module"]), "encoder")


def beginning_with(init: str, options: TrainingOptions) -> list[tuple[str, Mapping[str, Any]]]:
    """Settings of a classifier initialised with the body of another model, and of its training. Raises ModelError if that has no
    body, UsageError if it has another architecture."""
    first = InitialModel.open(init)
    first.check(options.arch[0])
    return [(init, first.settings_of_body()), *first.tuning(has_budget=options.has_budget)]


def _without_effect(
    options: TrainingOptions, *, order: int | None, runs: int, metric: str | None, init: str | None
) -> dict[str, object]:
    """Options that have no effect with these architectures."""
    archs, training = list(options.arch), options.trains(CLASSIFICATION)
    for_networks = {
        "tensorboard": options.tensorboard or None,
        "init": init,
        "steps": options.steps,
        "minutes": options.minutes,
    }
    of_tokens = {
        "tokenizer": options.tokenizer,
        "vocab_size": options.vocab_size,
        "min_count": options.min_count if options.min_count > 1 else None,
        "limit_vocab": options.limit_vocab,
    }
    return {
        **({} if "ngram" in archs else {"order": order}),
        **({} if training else for_networks),
        **({"runs": runs if runs > 1 else None} if archs == ["ngram"] else {}),
        **({} if training or len(archs) > 1 or runs > 1 else {"metric": metric}),
        **(of_tokens if archs == ["bag"] else {}),
    }


def _read(
    files: LabelledFiles,
    valid: LabelledFiles | None,
    requests: list[Request],
    folders: Mapping[Path, Request],
    *,
    options: TrainingOptions,
    label_weights: str | None,
    metric: str | None,
    reporter: Reporter,
) -> TrainingTexts:
    """The training texts and the held-out texts."""
    deadline = config.reading(requests, folders if options.resume else (), passes=2)
    texts = files.read(deadline=deadline, reporter=reporter)
    if valid:
        held_out = valid.read(labels=texts.labels, reporter=reporter)
        where = ", ".join(valid.paths)
        if held_out.targets.min() >= len(texts.labels):
            cure = f"{nearest(held_out.labels[-1], texts.labels)}, or use --label-map"
            raise InputError("no text has a label of the training data", where=where, cure=cure)
        held_out.note_unknown(len(texts.labels), to="the training data", effect=JUDGED, where=where, reporter=reporter)
    else:
        texts, held_out = split(texts, seed=options.given_seed or 0, reporter=reporter)
    reporter.note(_sizes(texts, held_out))
    if files.label_map and files.label_map.unused:
        reporter.note(f"--label-map: no text has the label {listed(files.label_map.unused)}")
    weights = weights_of_labels(label_weights, texts)
    if deadline.passed:
        read = f"{len(texts) + len(held_out):,} texts"
        reporter.note(f"read only the first {read}, since time for reading is limited; use more --minutes to read more")
    return TrainingTexts(
        texts,
        held_out,
        files.paths,
        weights=weights,
        metric=metric or "accuracy",
        threads=options.threads,
        blocks=deadline.read if deadline.passed else None,
    )


def places(output: str, requests: list[Request], runs: int, *, seed: int) -> dict[Path, Request]:
    """The folder of each model: `output` for a single one, otherwise with /ARCH for several architectures and /SEED for several runs."""
    models = {}
    for request in requests:
        own = Path(output) / request.arch if len(requests) > 1 else Path(output)
        counted = (
            catalog.is_counted(CLASSIFICATION, request.arch) and request.arch == "ngram"
        )  # its training has no randomness
        for number in range(runs if not counted else 1):
            seeded = request if runs == 1 or counted else replace(
                request, settings=(*request.settings, ("--runs", {"seed": seed + number}))
            )  # fmt: skip
            models[own / f"seed-{seed + number}" if runs > 1 and not counted else own] = seeded
    return models


def _sizes(training: Texts, held_out: Texts) -> str:
    """The number of texts, in total and per label."""
    counts = np.bincount(training.targets, minlength=len(training.labels))
    shown = ", ".join(f"{label} {count:,}" for label, count in list(zip(training.labels, counts))[:_SHOWN])
    more = f" and {len(counts) - _SHOWN:,} more labels" if len(counts) > _SHOWN else ""
    return f"{len(training):,} texts ({shown}{more}); {len(held_out):,} held out"


def summary_lines(record: Mapping[str, Any], valid: Iterable[str]) -> Iterator[str]:
    """The summary. valid: the files of held-out texts, if they were not a part of the training texts."""
    figures = record["valid"]
    size = f"{record['data']['tokens']:,} tokens; {record['parameters']:,} parameters"
    if "progress" in record:
        p = record["progress"]
        yield (
            f"{size}, {p['step']:,} steps in {p['seconds']:.1f} s, {p['tokens'] / max(p['seconds'], 1e-9):,.0f} texts/s, "
            f"{record['precision']}; best at step {p['best_step']:,}"
        )
    else:
        yield f"{size}, {record['seconds']:.1f} s"
    there = figures.get("held_out_texts", 0)
    sample = f" (a sample of {there:,})" if there > figures["texts"] else ""
    baseline = record.get("baseline")  # missing in older folders
    usual = (
        f" (baseline: {100 * baseline['accuracy']:.2f} % by always predicting {baseline['majority']!r})"
        if baseline
        else ""
    )
    yield (
        f"on {', '.join(valid) or 'held-out texts'}: accuracy {100 * figures['accuracy']:.2f} % ({figures['texts']:,} texts{sample}), "
        f"macro F1 {figures['macro_f1']:.4f}, loss {figures['loss']:.4f} nats{usual}"
    )
