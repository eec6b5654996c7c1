"""From text to a folder of word embeddings."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.errors import InputError, UsageError
from seqcli.files import tensor_file
from seqcli.interfaces import SILENT, Reporter
from seqcli.metrics import signature
from seqcli.runs.model_writer import ModelWriter, drafting
from seqcli.system import clock, cpu
from seqcli.system.clock import Deadline
from seqcli.tasks.embeddings import summary
from seqcli.tasks.embeddings.keeper import Checkpoints
from seqcli.tasks.embeddings.load import EMBEDDINGS, OpenEmbeddings, open_embeddings
from seqcli.tasks.language.data import Corpus, TokenizerChoice, check_readable, read
from seqcli.tasks.trained import Trained
from seqcli.tasks.training_options import TrainingOptions
from seqcli.text import SPECIALS
from seqcli.token_batch import count_rows
from seqcli.tokenizers.words import Words
from seqcli.training import resuming
from seqcli.training.config import Request, settings_of

MIN_COUNT = 5  # minimum count of a word with a vector, as in word2vec and fastText
_READING = 0.25  # maximum share of a budget in minutes
_WRITTEN = 2e8  # bytes per second, of the tables
_EXIT = 1.0  # seconds


def train(
    corpus: Corpus, output: str, options: TrainingOptions, *, dim: int | None = None, window: int | None = None,
    reporter: Reporter = SILENT,
) -> Trained[OpenEmbeddings]:  # fmt: skip
    """Implements `seqcli train embeddings`. Raises UsageError for invalid options."""
    if len(options.arch) > 1:
        raise UsageError("train embeddings takes one --arch", cure="train the others into folders of their own")
    options.check(
        EMBEDDINGS,
        without_effect={
            "steps": options.steps, "tensorboard": options.tensorboard or None,
            "tokenizer": options.tokenizer,
        },
        tokenizer="words",
    )  # fmt: skip
    if options.epochs is not None and options.epochs != int(options.epochs):
        raise UsageError(f"--epochs must be a whole number with train embeddings, got {options.epochs:g}")
    options.without(
        reporter, "device", "precision", "batch_tokens", reason="embeddings are trained on the CPU, in fp32"
    )
    budget = {name: value for name, value in options.budget.items() if name != "steps"}
    epochs = None if options.epochs is None else int(options.epochs)
    given = {**budget, "epochs": epochs, "dim": dim, "window": window, "seed": options.given_seed}
    (request,) = options.requests(EMBEDDINGS, given)
    check_readable(corpus.paths, text_column=corpus.text_column, format=corpus.format)
    with drafting(output, force=options.force, resume=options.resume) as draft:
        record = train_embeddings(
            draft,
            corpus,
            options.choice("words"),
            request,
            resume=options.resume,
            begun=clock.began(),
            reporter=reporter,
        )
    path = Path(output)
    opened = open_embeddings(output, name=path.name)
    return Trained(path, opened, record, path.name, summary=list(summary.lines(opened, record)))


def train_embeddings(
    draft: ModelWriter, corpus: Corpus, choice: TokenizerChoice, request: Request, *, resume: bool = False,
    begun: float | None = None, reporter: Reporter,
) -> dict[str, Any]:  # fmt: skip
    """Trains into `draft` and returns the record. choice: of words; resume: continue from the newest checkpoint; begun: start of a budget
    in minutes, by `time.monotonic`, None for now."""
    begun = time.monotonic() if begun is None else begun
    module, settings, _ = settings_of(request)
    until = begun + 60 * settings.minutes if settings.minutes else math.inf
    deadline = Deadline(begun + _READING * (until - begun))
    reading = read(corpus, choice, folder=draft.folder, threads=request.threads, reporter=reporter, deadline=deadline)
    words = reading.tokenizer
    if not isinstance(words, Words) or words.vocab_size <= len(SPECIALS):
        raise InputError(
            f"no word occurs {choice.min_count} times", where=", ".join(corpus.paths),
            cure="give more text, or a smaller --min-count",
        )  # fmt: skip
    data = {
        "files": [Path(path).name for path in corpus.paths], "rows": reading.rows,
        "tokens": len(reading.stream) - count_rows(reading.stream), "min_count": choice.min_count,
        "fingerprint": resuming.fingerprint(reading.stream),
    }  # fmt: skip
    asked = {
        "arch": request.arch,
        "settings": asdict(settings),
        "tokenizer": signature.tokenizer_label(words),
        "data": data,
    }
    keeper = Checkpoints(draft, asked, resume=resume, reporter=reporter)
    saving = _EXIT + 4.0 * settings.dim * 2 * words.vocab_size / _WRITTEN
    begun_learning = time.monotonic()
    counted = module.estimate(
        np.asarray(reading.stream), words, settings, threads=request.threads or cpu.allowed(), ends=until - saving - keeper.seconds,
        keeper=keeper, reporter=reporter,
    )  # fmt: skip
    record = {
        **asked,
        "module": module.__name__.rpartition(".")[2],
        "vocab_size": words.vocab_size - len(SPECIALS),
        "dim": settings.dim,
        **counted.record,
        "parameters": counted.parameters,
        "seconds": round(time.monotonic() - begun_learning, 3),
    }  # fmt: skip
    tensors = {name: tensor_file.tensor(array) for name, array in counted.tensors.items()}
    draft.save(task=EMBEDDINGS, arch=request.arch, config=record, tensors=tensors, tokenizer=words, card=_card(record))
    keeper.done()
    draft.log({"event": "trained", **record})
    return record


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# Word embeddings ({record['arch']})\n\nMade by seqcli: {settings}; {record['vocab_size']:,} words of "
        f"{record['dim']} numbers, learnt from {record['data']['tokens']:,} words of {', '.join(record['data']['files'])}.\n\n"
        f"Ask them: `seqcli embed -m DIR --neighbours WORD`.\n"
    )
