"""Implements `seqcli train lm`: one or several architectures, with the same tokenizer, held-out part and budget.

The first one trains the tokenizer, and the others open it from its folder; the held-out part depends on the text and the seed. A single
architecture is trained as usual: an n-gram model is then counted on all of the text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seqcli import catalog, ranges
from seqcli.data.records import check_readable
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, OpenModel, Reporter
from seqcli.ngram.arena import default_memory
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.load import LANGUAGE
from seqcli.tasks.language.train import train_network
from seqcli.tasks.language.train_counted import counted_before, train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import Output, Trained, folders, train_each
from seqcli.tasks.training_options import TrainingOptions
from seqcli.training.config import kinds_of, settings_of


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
    training = options.trains(LANGUAGE)
    counted = {"order": order, "prune": None if prune is None else list(prune), "quantize": quantize}
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
    if options.distill and (options.tokenizer or options.vocab_size):
        raise UsageError("--distill uses the tokenizer of its model", cure="leave out --tokenizer and --vocab-size")
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
    shared = InitialModel.open(init).shared(LANGUAGE, options.arch[0], has_budget=options.has_budget) if init else []
    requests = options.requests(LANGUAGE, given, shared=shared)
    options.check_processes(len(requests))
    if len(requests) > 1 and (once := corpus.read_once()):
        what = "a pipe can be read only once, but several models read the text several times"
        raise InputError(what, where=once, cure="save it to a file first")
    seeds = [settings_of(request)[2].seed for request in requests if not catalog.is_counted(LANGUAGE, request.arch)]
    holding_out, limit = seeds[0] if seeds and valid is None else None, memory or default_memory()

    def train(place: Output, choice: TokenizerChoice, begun: float) -> Trained[OpenModel]:
        request = place.request
        if not catalog.is_counted(LANGUAGE, request.arch):
            assert place.writer is not None, "a network is trained further"
            return train_network(
                place.writer, corpus, choice, request, valid=valid, resume=place.resume, init=init, reporter=reporter, begun=begun
            )  # fmt: skip
        common: dict[str, Any] = {
            "valid": valid, "holding_out": holding_out, "threads": request.threads, "reporter": reporter,
        }  # fmt: skip
        config = settings_of(request)[1]
        if place.writer is None:
            return counted_before(place.path, corpus, choice, config, **common)
        return train_counted(place.writer, corpus, choice, config, arch=request.arch, memory=limit, **common)

    for trained in train_each(
        folders(output, requests), LANGUAGE, train, choice=options.choice("words"), force=options.force, resume=options.resume
    ):  # fmt: skip
        lines = tuple(summary_lines(trained.record, valid.paths if valid else ()))
        yield replace(trained, name=trained.opened.arch, several=len(requests) > 1, summary=lines)


def _has_objective(archs: Sequence[str]) -> bool:
    """Whether one of the architectures can be trained as a masked language model."""
    kinds = [kind for arch in archs for kind in kinds_of(LANGUAGE, arch)]
    return any(field.name == "objective" for kind in kinds for field in dataclasses.fields(kind))


def summary_lines(record: Mapping[str, Any], valid: Iterable[str]) -> Iterator[str]:
    """The summary. valid: the files of held-out text, if it was not a part of the training text."""
    figures = record.get("valid")
    size = f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens"
    if "ngrams" in record:
        grams = ", ".join(f"{count:,}" for count in record["ngrams"])
        yield f"{size}; n-grams of order 1 to {len(record['ngrams'])}: {grams}; {record['seconds']:.1f} s"
    elif "progress" not in record:
        yield f"{size}; {record['parameters']:,} parameters; {record['seconds']:.1f} s"
    else:
        p = record["progress"]
        yield (
            f"{size}; {record['parameters']:,} parameters, {p['step']:,} steps in {p['seconds']:.1f} s, "
            f"{p['tokens'] / max(p['seconds'], 1e-9):,.0f} tokens/s, {record['precision']}"
        )
        yield f"best held-out loss {p['best']:.4f} nats per token, at step {p['best_step']:,}"
    if figures:
        perplexity, known, bits = (
            _shown(figures[name]) for name in ("perplexity", "perplexity_known", "bits_per_byte")
        )
        unknown = (
            f"{figures['unknown']:,} unknown ({known} on the known ones)" if figures["unknown"] else "none unknown"
        )
        in_windows = f" (in windows of {figures['window']:,})" if "window" in figures else ""
        pseudo = "pseudo-" if record["settings"].get("objective") == "masked" else ""
        yield (
            f"on {', '.join(valid) or 'held-out rows'}{in_windows}: {pseudo}perplexity {perplexity} on {figures['tokens']:,} "
            f"tokens{_sample(figures)}, {unknown}; {bits} bits per byte"
        )
    if "baseline" in record:
        losses = " and ".join(f"{name} {nats:.4f}" for name, nats in record["baseline"].items())
        yield f"baselines of the held-out loss: {losses} nats per token"


def _sample(figures: dict[str, Any]) -> str:
    """The size of the held-out text, if there was no time to evaluate all of it."""
    there = figures.get("held_out_tokens", 0)
    return f" (a sample of {there:,})" if there > figures["tokens"] else ""


def _shown(figure: float | None) -> str:
    return "none" if figure is None else f"{figure:.4f}" if figure < 10 else f"{figure:.4g}"


def speed(record: Mapping[str, Any]) -> float:
    """Tokens per second of a training, over all its passes."""
    read, seconds = (record["progress"][name] for name in ("tokens", "seconds")) if "progress" in record else (
        record["data"]["tokens"], record["seconds"]
    )  # fmt: skip
    return read / max(seconds, 1e-9)
