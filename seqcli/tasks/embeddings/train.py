"""From text to a folder of word embeddings."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np

from seqcli.data.records import check_readable
from seqcli.embeddings.training import Progress
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.files import tensor_file
from seqcli.interfaces import SILENT, Reporter
from seqcli.metrics import signature
from seqcli.runs import checkpoint
from seqcli.runs.model_writer import ModelWriter, writing_model
from seqcli.system import clock, cpu, signals
from seqcli.system.clock import Deadline
from seqcli.tasks.embeddings.load import EMBEDDINGS, OpenEmbeddings, open_embeddings
from seqcli.tasks.language.data import Corpus, read
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import Trained
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
_SAVE_EVERY = 600.0  # seconds
_SKIPPED = 100  # most frequent words are skipped: mostly function words, with uninformative neighbours
_LETTERS = 4


def train(
    corpus: Corpus, output: str, options: TrainingOptions, *, dim: int | None = None, window: int | None = None,
    reporter: Reporter = SILENT,
) -> Trained[OpenEmbeddings]:  # fmt: skip
    """Implements `seqcli train embeddings`. Raises UsageError for invalid options."""
    if len(options.arch) > 1:
        raise UsageError("train embeddings takes a single --arch", cure="train each into a folder of its own")
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
    with writing_model(output, force=options.force, resume=options.resume) as writer:
        record = train_embeddings(
            writer,
            corpus,
            options.choice("words"),
            request,
            resume=options.resume,
            begun=clock.began(),
            reporter=reporter,
        )
    path = Path(output)
    opened = open_embeddings(output, name=path.name)
    return Trained(path, opened, record, path.name, summary=list(summary_lines(opened, record)))


def train_embeddings(
    writer: ModelWriter, corpus: Corpus, choice: TokenizerChoice, request: Request, *, resume: bool = False,
    begun: float | None = None, reporter: Reporter,
) -> dict[str, Any]:  # fmt: skip
    """Trains into `writer` and returns the record. choice: of words; resume: continue from the newest checkpoint; begun: start of a budget
    in minutes, by `time.monotonic`, None for now."""
    begun = time.monotonic() if begun is None else begun
    module, settings, _ = settings_of(request)
    until = begun + 60 * settings.minutes if settings.minutes else math.inf
    deadline = Deadline(begun + _READING * (until - begun))
    reading = read(corpus, choice, folder=writer.folder, threads=request.threads, reporter=reporter, deadline=deadline)
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
    fixed = {
        "arch": request.arch,
        "settings": asdict(settings),
        "tokenizer": signature.tokenizer_label(words),
        "data": data,
    }
    checkpoints = Checkpoints(writer, fixed, resume=resume, reporter=reporter)
    saving = _EXIT + 4.0 * settings.dim * 2 * words.vocab_size / _WRITTEN
    begun_learning = time.monotonic()
    counted = module.estimate(
        np.asarray(reading.stream), words, settings, threads=request.threads or cpu.allowed(), ends=until - saving - checkpoints.seconds,
        keeper=checkpoints, reporter=reporter,
    )  # fmt: skip
    record = {
        **fixed,
        "module": module.__name__.rpartition(".")[2],
        "vocab_size": words.vocab_size - len(SPECIALS),
        "dim": settings.dim,
        **counted.record,
        "parameters": counted.parameters,
        "seconds": round(time.monotonic() - begun_learning, 3),
    }  # fmt: skip
    tensors = {name: tensor_file.tensor(array) for name, array in counted.tensors.items()}
    writer.save(task=EMBEDDINGS, arch=request.arch, config=record, tensors=tensors, tokenizer=words, card=_card(record))
    checkpoints.done()
    writer.log({"event": "trained", **record})
    return record


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# Word embeddings ({record['arch']})\n\nMade by seqcli: {settings}; {record['vocab_size']:,} words of "
        f"{record['dim']} numbers, trained on {record['data']['tokens']:,} words of {', '.join(record['data']['files'])}.\n\n"
        f"Try them: `seqcli embed -m DIR --neighbours WORD`.\n"
    )


class Checkpoints:
    """`embeddings.training.Keeper` for a model folder: checkpoints every ten minutes, and when the training is interrupted.

    With one process, a resumed training takes exactly the steps of an uninterrupted one. Several processes train without
    synchronisation, so no two trainings are equal; a resumed training repeats the parts that were in progress when the tables were
    saved. record: the values that may not change when a training is resumed."""

    def __init__(self, writer: ModelWriter, record: Mapping[str, Any], *, resume: bool, reporter: Reporter):
        self._writer, self._record, self._reporter = writer, record, reporter
        self._saved: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
        self._stack, self._last = ExitStack(), time.monotonic()
        self._signals: Sequence[Signals] = ()
        if resume:
            self._saved = checkpoint.newest(writer.path, reporter=reporter)
            resuming.check(
                resuming.settings_of(self._saved[1]["record"]), resuming.settings_of(record), reporter=reporter
            )

    def __enter__(self) -> Checkpoints:
        self._signals, self._last = self._stack.enter_context(signals.collected()), time.monotonic()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def seconds(self) -> float:
        """Seconds of training before it was resumed."""
        return self._saved[1]["progress"]["seconds"] if self._saved else 0.0

    def restored(self, tables: Mapping[str, np.ndarray]) -> Progress:
        if self._saved is None:
            return Progress()
        tensors, saved = self._saved
        if {name: array.shape for name, array in tensors.items()} != {name: t.shape for name, t in tables.items()}:
            raise ModelError(
                "the checkpoint does not match the settings", where=str(self._writer.path), cure=checkpoint.CURE
            )
        for name, array in tensors.items():
            tables[name][:] = array
        self._saved = None
        progress = saved["progress"]
        return Progress(**{**progress, "losses": [(loss, count) for loss, count in progress["losses"]]})

    def keep(self, tables: Mapping[str, np.ndarray], progress: Progress) -> bool:
        stops = bool(self._signals)
        if stops or time.monotonic() - self._last >= _SAVE_EVERY:
            saved = {"record": dict(self._record), "progress": asdict(progress)}
            still = {
                name: table.copy() for name, table in tables.items()
            }  # other processes continue to train meanwhile
            self._writer.checkpoint(step=progress.parts, tensors=still, progress=saved)
            self._last = time.monotonic()
        if stops:
            self._reporter.note("stopped and saved; to continue, run the same command with --resume")
        return stops

    def done(self) -> None:
        """Removes the checkpoints after the model is saved."""
        checkpoint.remove(self._writer.path, self._writer.folder)


def summary_lines(opened: OpenEmbeddings, record: Mapping[str, Any]) -> Iterator[str]:
    of = "pair of words" if record["arch"] == "glove" else "prediction"
    yield (
        f"{record['vocab_size']:,} words x {record['dim']} numbers, from {record['data']['tokens']:,} words in "
        f"{record['seconds']:.1f} s ({record['words_per_second']:,} words/s), loss {record['loss']:.4f} per {of}"
    )
    vectors, word = opened.vectors, example_word(opened)
    index = vectors.index([word])
    nearest = vectors.nearest(vectors.vectors[index[0]], k=5, without=index.tolist())
    yield f"nearest to {word}: {', '.join(f'{vectors.word(i)} ({share:.2f})' for i, share in nearest) or 'no other word'}"


def example_word(opened: OpenEmbeddings) -> str:
    """A fairly frequent word of letters; words are in the order of their frequency."""
    some = [opened.vectors.word(i) for i in range(min(len(opened.vectors), 4 * _SKIPPED))]
    suitable = [word for word in some if word.isalpha() and len(word) >= (_LETTERS if word.isascii() else 2)]
    return suitable[min(_SKIPPED, len(suitable) - 1)] if suitable else some[0]
