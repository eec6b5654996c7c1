"""Training a neural language model: from a corpus to a model folder, through `training/loop`.

The folder always has the best weights so far (by bits per byte of the held-out text) and what is needed to resume.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcli.data.batches import Batches, Lanes, Lines, Windows
from seqcli.data.masking import CAUSAL, Masked, word_beginnings
from seqcli.data.paths import recorded
from seqcli.errors import UsageError
from seqcli.interfaces import OpenModel, Reporter, Tokenizer
from seqcli.metrics import signature, unigram
from seqcli.runs.model_writer import ModelWriter
from seqcli.tasks import initial_weights, teachers
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.language import evaluate
from seqcli.tasks.language.data import Corpus, check_enough, read, split
from seqcli.tasks.language.evaluate import of_corpus, of_stream
from seqcli.tasks.language.load import LANGUAGE, open_saved_model
from seqcli.tasks.teachers import Teachers
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import Trained
from seqcli.text import BOS_ID
from seqcli.token_batch import count_rows
from seqcli.training.config import Plan, Request, settings_of
from seqcli.training.resuming import fingerprint

if TYPE_CHECKING:
    from seqcli.training.device import Placement

_SAMPLE = 200_000  # tokens whose bytes are counted


def train_network(
    writer: ModelWriter, corpus: Corpus, choice: TokenizerChoice, request: Request, *,
    valid: Corpus | None, resume: bool, init: str | None = None, reporter: Reporter, begun: float | None = None,
) -> Trained[OpenModel]:  # fmt: skip
    """Trains into `writer`. resume: continue from its newest checkpoint; begun: start of its budget, None for now; init: another language
    model of the same shape, which provides the tokenizer and the initial weights."""
    from seqcli.training import budget, defaults, trainer
    from seqcli.training.device import place

    begun = time.monotonic() if begun is None else begun
    _, _, plan = settings_of(request)
    if plan.piece_dropout:
        raise UsageError("piece_dropout is for classifiers and translators", where="--set", cure="leave it out")
    placement = place(request.device, request.precision, threads=request.threads)
    deadline = budget.reading(plan.minutes, begun=begun, resumed=writer.path if resume else None)
    first = InitialModel.open(init) if init else None
    if first:
        choice = TokenizerChoice(first.source, opened=first.tokenizer)
    if request.teachers:
        choice = request.teachers.choice(first)
    choice = dataclasses.replace(choice, characters=budget.characters(plan.minutes))
    reading = read(corpus, choice, folder=writer.folder, threads=request.threads, reporter=reporter, deadline=deadline)
    check_enough(reading, corpus, judged_on_others=valid is not None)
    stream, tokenizer = reading.stream, reading.tokenizer
    label = signature.tokenizer_label(tokenizer)
    situation = defaults.Situation(label, corpus.unit, len(stream), plan.minutes, placement.device.type)
    request = defaults.completed(request, situation, resumed=writer.path if resume else None, reporter=reporter)
    module, settings, plan = settings_of(request)
    ends = getattr(settings, "predicts_end", True)
    how = {"products": placement.dtype, "seed": plan.seed, "ends": ends}
    if valid is None:
        stream, rest = split(reading.stream, unit=corpus.unit, seed=plan.seed, folder=writer.folder)
        held_out = of_stream(rest, tokenizer, unit=corpus.unit, **how)
    else:
        held_out = of_corpus(valid, tokenizer, **how)
    if not plan.batch_tokens:
        plan = dataclasses.replace(plan, batch_tokens=min(max(len(stream) // 100, 256), 4096))
    vocab_size = tokenizer.vocab_size
    teaching, longest = None, None
    if request.teachers:
        teaching, longest = _teaching(request.teachers, corpus.unit, plan, settings, placement)
    longest_line = longest if corpus.unit == "line" else None

    def make() -> Any:
        model = module.build(settings, vocab_size=vocab_size)
        model.soft_targets = teaching
        if model.window and longest and model.window > longest:
            what, cure = f"a window of {model.window} is longer than that of --distill", f"use --set window={longest}"
            raise UsageError(what, cure=cure)
        return model

    work = trainer.Work(
        task=LANGUAGE,
        make=make,
        batches=lambda model: batches_of(
            stream, corpus.unit, plan, settings, tokenizer=tokenizer, window=model.window or longest_line
        ),
        held_out=held_out,
        record={
            "arch": request.arch,
            "module": module.__name__.rpartition(".")[2],
            "preset": request.preset,
            "settings": asdict(settings),
            "training": asdict(plan),
            "unit": corpus.unit,
            "vocab_size": vocab_size,
            **initial_weights.record(request),
            **({"ends_documents": True} if first and first.run.config.get("ends_documents") else {}),
            "init": first.name if first else None,
            "init_weights": first.run.weights_checksum if first else None,
            **teachers.record(request),
            "tokenizer": label,
            "data": {
                "files": recorded(corpus.paths), "rows": reading.rows,
                "tokens": len(stream) - count_rows(stream), "fingerprint": fingerprint(stream),
                "held_out_fingerprint": fingerprint(held_out.tokens),
                **({"blocks": deadline.read} if deadline.passed else {}),
            },
            "baseline": evaluate.baseline(stream, unigram.counts(held_out.tokens, vocab_size), size=vocab_size),
        },
        tokenizer=tokenizer,
        card=_card,
        outputs=vocab_size,
        initialise=initial_weights.initialiser(request, [tokenizer], weights=first.into if first else None, reporter=reporter),
        bytes_per_token=_bytes_per_token(stream, tokenizer),
    )  # fmt: skip
    record = trainer.fit(
        work, writer, plan, request, placement=placement, resume=resume, begun=begun, reporter=reporter
    )
    return Trained(writer.path, open_saved_model(writer.path), record)


def _teaching(
    models: Teachers, unit: str, plan: Plan, settings: Any, placement: Placement
) -> tuple[Callable[..., Any], int | None]:
    """What a network learns from the models of --distill, and the smallest of their windows. Raises UsageError if they cannot read
    what it reads."""
    from seqcli.nn.distillation import soft_targets

    if getattr(settings, "objective", CAUSAL) != CAUSAL:
        raise UsageError("--distill cannot be combined with --objective masked or hybrid")
    networks = models.networks(placement)
    longest = min((network.window for network in networks if network.window), default=None)
    if unit == "document" and longest and plan.bptt > longest:
        raise UsageError("bptt is longer than the window of --distill", cure=f"use --set bptt={longest}")
    return soft_targets(networks, share=plan.distill_share), longest


def batches_of(
    stream: np.ndarray, unit: str, plan: Plan, settings: Any, *, tokenizer: Tokenizer, window: int | None
) -> Batches:
    """window: of the model; masked rows are one token longer than those for next-token prediction."""
    objective = getattr(settings, "objective", CAUSAL)
    if objective == CAUSAL or window is None:
        return _causal_batches(stream, unit, plan, window=window)
    return Masked(
        _causal_batches(stream, unit, plan, window=window - 1),
        vocab_size=tokenizer.vocab_size,
        seed=plan.seed,
        share=settings.hidden_share,
        begins=word_beginnings(tokenizer) if settings.whole_words else None,
        causal=settings.causal_share if objective == "hybrid" else 0.0,
        ends=settings.predicts_end,
    )


def _causal_batches(stream: np.ndarray, unit: str, plan: Plan, *, window: int | None) -> Batches:
    if unit == "line":
        return Lines(stream, batch_tokens=plan.batch_tokens, seed=plan.seed, longest=window)
    if window is not None:
        return Windows(stream, width=window, batch_tokens=plan.batch_tokens, seed=plan.seed)
    return Lanes(stream, width=plan.bptt, batch_tokens=plan.batch_tokens, seed=plan.seed)


def _bytes_per_token(stream: np.ndarray, tokenizer: Tokenizer) -> float:
    sample = stream[:_SAMPLE]
    sample = sample[sample != BOS_ID]
    return len(tokenizer.decode(sample.tolist()).encode()) / max(len(sample), 1)


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# A language model ({record['arch']})\n\nMade by seqcli: {settings}; {record['parameters']:,} parameters; tokenizer "
        f"{record['tokenizer']}; {record['data']['rows']:,} rows of {', '.join(record['data']['files'])}; "
        f"{record['progress']['step']:,} steps. Held-out loss: {record['valid']['loss']:.4f} nats per token.\n\n"
        f'Try it: `seqcli score -m DIR "a sentence"`.\n'
    )
