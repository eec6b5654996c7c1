"""From labelled texts to a model folder: counted (numpy), or trained by `training/loop` (torch)."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seqcli import catalog
from seqcli.data.paths import recorded
from seqcli.files import tensor_file
from seqcli.interfaces import SILENT, Reporter, Tokenizer
from seqcli.metrics import signature
from seqcli.ngram.arena import Arena, default_memory
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter
from seqcli.tasks import initial_weights, teachers
from seqcli.tasks.classification import evaluate
from seqcli.tasks.classification.data import Texts
from seqcli.tasks.classification.evaluate import HeldOut, figures
from seqcli.tasks.classification.load import CLASSIFICATION, OpenClassifier, open_saved_classifier
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.tokenizer_choice import TokenizerChoice, tokenizer_for
from seqcli.tasks.train_each import Trained
from seqcli.token_batch import TokenBatch
from seqcli.training import resuming
from seqcli.training.config import Request, settings_of

_BATCHES = 500  # minimum number of batches per epoch, if there are as many texts
_READ = 240_000  # number of texts that a network reads without a budget, which determines the number of epochs


@dataclass(frozen=True)
class TrainingTexts:
    """The training data of all architectures. weights: float64 [C], of the labels, None for 1; files: for the record."""

    texts: Texts
    valid: Texts
    files: tuple[str, ...]
    weights: np.ndarray | None = None
    metric: str = "accuracy"
    threads: int | None = None
    blocks: int | None = None  # number of blocks read, if the rest was left out


def train_classifier(
    writer: ModelWriter, data: TrainingTexts, choice: TokenizerChoice, request: Request, *,
    resume: bool = False, init: str | None = None, reporter: Reporter, begun: float | None = None,
) -> Trained[OpenClassifier]:  # fmt: skip
    """Trains a classifier. begun: start of its budget, None for now; init: language model that initialises its body."""
    if catalog.is_counted(CLASSIFICATION, request.arch):
        record = _count(writer, data, choice, request, reporter=reporter)
    else:
        record = _fit(writer, data, choice, request, resume=resume, init=init, reporter=reporter, begun=begun)
    return Trained(writer.path, open_saved_classifier(writer.path), record)


def made_before(
    path: Path, data: TrainingTexts, choice: TokenizerChoice, request: Request, *, reporter: Reporter
) -> Trained[OpenClassifier]:
    """The counted classifier in `path`, which --resume keeps. Raises UsageError if its settings or data differ."""
    record = ModelFolder.open(path).config
    now = _prepared(data, choice, request, reporter=SILENT).record
    resuming.check(resuming.settings_of(record), resuming.settings_of(now), done=True, reporter=reporter)
    return Trained(path, open_saved_classifier(path), record)


def _record(
    data: TrainingTexts, request: Request, module: Any, settings: Any, *, tokens: TokenBatch, label: str
) -> dict[str, Any]:
    return {
        "arch": request.arch,
        "module": module.__name__.rpartition(".")[2],
        "settings": {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()},  # as read from JSON
        "labels": data.texts.labels,
        "label_weights": None if data.weights is None else data.weights.tolist(),
        "tokenizer": label,
        "data": {
            "files": recorded(data.files), "rows": len(data.texts), "tokens": len(tokens.tokens),
            "held_out": len(data.valid), "counts": np.bincount(data.texts.targets, minlength=len(data.texts.labels)).tolist(),
            "fingerprint": resuming.fingerprint(data.texts.data, data.texts.targets),
            "held_out_fingerprint": resuming.fingerprint(data.valid.data, data.valid.targets),
        },
        "baseline": evaluate.baseline(data.texts, data.valid),
    }  # fmt: skip


@dataclass(frozen=True)
class _Prepared:
    """The input of a counted classifier. tokenizer: None if it reads text; tokens: of the texts, as returned by `encode`."""

    module: ModuleType
    settings: Any
    tokenizer: Tokenizer | None
    encode: Callable[[bytes], TokenBatch]
    tokens: TokenBatch
    record: dict[str, Any]


def _prepared(data: TrainingTexts, choice: TokenizerChoice, request: Request, *, reporter: Reporter) -> _Prepared:
    """Prepares everything before counting."""
    module, settings, _ = settings_of(request)
    if hasattr(module, "encoder"):
        tokenizer, encode, label = None, module.encoder(asdict(settings)), module.features_label(settings)
    else:
        tokenizer = tokenizer_for(data.texts, choice, reporter=reporter)
        encode, label = tokenizer.encode, signature.tokenizer_label(tokenizer)
    learn = partial(encode, learning=True) if tokenizer else encode
    tokens = data.texts.encoded(learn, threads=data.threads)
    record = _record(data, request, module, settings, tokens=tokens, label=label)
    return _Prepared(module, settings, tokenizer, encode, tokens, record)


def _count(
    writer: ModelWriter, data: TrainingTexts, choice: TokenizerChoice, request: Request, *, reporter: Reporter
) -> dict[str, Any]:
    begun = time.monotonic()
    prepared = _prepared(data, choice, request, reporter=reporter)
    module, tokenizer, labels = prepared.module, prepared.tokenizer, len(data.texts.labels)
    sizes = {} if tokenizer is None else {"vocab_size": tokenizer.vocab_size}
    about: dict[str, Any] = {"labels": labels, "weights": data.weights, "reporter": reporter, **sizes}
    if tokenizer is not None:
        about["arena"] = lambda tokens: Arena(memory=default_memory(), tokens=tokens, folder=writer.folder)
    counted = module.estimate(prepared.tokens, data.texts.targets, prepared.settings, **about)
    record = {**prepared.record, **counted.record}
    model = module.load(record["settings"], counted.tensors, labels=labels, **sizes)
    valid = data.valid.encoded(prepared.encode, threads=data.threads)
    record["valid"] = figures(model.classify(valid).astype(np.float64), data.valid.targets)
    record["parameters"] = counted.parameters
    record["seconds"] = round(time.monotonic() - begun, 3)
    tensors = {name: tensor_file.tensor(array) for name, array in counted.tensors.items()}
    writer.save(
        task=CLASSIFICATION, arch=request.arch, config=record, tensors=tensors, tokenizer=tokenizer, card=_card(record)
    )
    writer.log({"event": "trained", **record})
    return record


def _fit(
    writer: ModelWriter, data: TrainingTexts, choice: TokenizerChoice, request: Request, *,
    resume: bool, init: str | None, reporter: Reporter, begun: float | None,
) -> dict[str, Any]:  # fmt: skip
    import torch

    from seqcli.data.batches import Labelled
    from seqcli.data.piece_dropout import PieceDropout
    from seqcli.nn.classifier import NeuralClassifier
    from seqcli.nn.weights import outline
    from seqcli.training import budget, defaults, trainer
    from seqcli.training.device import place

    begun = time.monotonic() if begun is None else begun
    request = _with_budget(request, len(data.texts))
    _, _, plan = settings_of(request)
    first = InitialModel.open(init) if init else None
    if first:
        first.check(request.arch)
    choice = dataclasses.replace(choice, characters=budget.characters(plan.minutes))
    tokenizer = first.tokenizer if first else tokenizer_for(data.texts, choice, reporter=reporter)
    placement = place(request.device, request.precision, threads=request.threads)
    batch = data.texts.encoded(partial(tokenizer.encode, learning=True), threads=data.threads)
    valid = data.valid.encoded(tokenizer.encode, threads=data.threads)
    stream, _ = batch.with_starts()
    label = signature.tokenizer_label(tokenizer)
    situation = defaults.Situation(label, "line", len(stream), plan.minutes, placement.device.type)
    request = defaults.completed(request, situation, resumed=writer.path if resume else None, reporter=reporter)
    module, settings, plan = settings_of(request)
    if not plan.batch_tokens:
        plan = dataclasses.replace(plan, batch_tokens=min(max(len(stream) // _BATCHES, 256), 2048))
    changed = PieceDropout(tokenizer.vocabulary(), plan.piece_dropout) if plan.piece_dropout else None
    labels = len(data.texts.labels)
    sizes = {"vocab_size": tokenizer.vocab_size, "labels": labels}
    outlined: NeuralClassifier = outline(lambda: module.build(settings, **sizes))
    window, closed = outlined.window, outlined.closed
    if long := int((batch.lengths + 1 > window).sum()):
        reporter.note(f"texts truncated to {window:,} tokens (--set window=N): {long:,}")
    weights = None if data.weights is None else torch.tensor(data.weights, dtype=torch.float32)

    def make():
        model = module.build(settings, **sizes)
        model.label_weights = None if weights is None else weights.to(placement.device)
        return model

    held_out = HeldOut(
        valid, data.valid.targets, labels=labels, metric=data.metric, products=placement.dtype, seed=plan.seed
    )
    record = _record(data, request, module, settings, tokens=batch, label=label)
    record |= {"training": asdict(plan), "metric": data.metric, "init": first.name if first else None}
    record["preset"] = request.preset
    record |= {**initial_weights.record(request), **teachers.record(request)}
    record["init_weights"] = first.run.weights_checksum if first else None
    record["data"] |= {"blocks": data.blocks} if data.blocks else {}
    targets = data.texts.targets
    if request.teachers:
        targets = request.teachers.soft_labels(data.texts, share=plan.distill_share, reporter=reporter)
    work = trainer.Work(
        task=CLASSIFICATION, make=make, held_out=held_out, record=record, tokenizer=tokenizer, card=_card, outputs=labels, counted="texts",
        batches=lambda model: Labelled(
            stream, targets, batch_tokens=plan.batch_tokens, seed=plan.seed, longest=window,
            closed=closed, changed=changed,
        ),
        initialise=initial_weights.initialiser(request, [tokenizer], weights=first.body_into if first else None, reporter=reporter),
    )  # fmt: skip
    return trainer.fit(work, writer, plan, request, placement=placement, resume=resume, begun=begun, reporter=reporter)


def _with_budget(request: Request, texts: int) -> Request:
    """The request with a default budget: 2 epochs for 140,000 texts, 4 for 60,000, 15 for 5,000."""
    if any(budget in values for _, values in request.settings for budget in ("epochs", "steps", "minutes")):
        return request
    epochs = min(max(math.ceil(_READ / max(texts, 1)), 2), 15)
    return dataclasses.replace(request, settings=(*request.settings, ("default", {"epochs": epochs})))


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# A classifier ({record['arch']})\n\nMade by seqcli: {settings}; {record['parameters']:,} parameters; reads "
        f"{record['tokenizer']}; {record['data']['rows']:,} texts of {', '.join(record['data']['files'])}; labels "
        f"{', '.join(record['labels'][:50])}.\n\nOn {record['valid']['texts']:,} held-out texts: accuracy "
        f'{100 * record["valid"]["accuracy"]:.2f} %, macro F1 {record["valid"]["macro_f1"]:.4f}.\n\nTry it: `seqcli classify -m DIR "a sentence"`.\n'
    )
