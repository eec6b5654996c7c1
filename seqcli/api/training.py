"""Training for Python: the same options, checks and folders as `seqcli train`, and the trained model as the result.

    def show(progress):
        print(f"{progress.share:.0%} {progress.what}")

    lm = seqcli.train_lm("text.txt", "model", arch="lstm", minutes=1, progress=show)
    lm.record["valid"]["perplexity"]

`data` is a file or several. What an option means, and its default and range, is in `seqcli train lm --help` and in
`seqcli.tasks.training_options.TrainingOptions`; an option of the command line such as `--learning-rate` is `learning_rate` here,
and `--set KEY=VALUE` is `settings={"KEY": VALUE}`. What the command line refuses raises the same `SeqcliError`. Notes go to the
logger "seqcli" at level INFO. An interrupt (Ctrl-C) while a network is trained saves a checkpoint before it raises
KeyboardInterrupt; `resume=True` continues from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from seqcli import sources
from seqcli.api.language_model import LanguageModel
from seqcli.api.models import Classifier, Embeddings, Translator
from seqcli.api.opening import Opening, path_of
from seqcli.data.labelled import LabelMap
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT, Reporter, Tokenizer
from seqcli.runs.model_folder import ModelFolder
from seqcli.system import clock, signals
from seqcli.tasks import tokenizer_choice
from seqcli.tasks.classification.data import LabelledFiles
from seqcli.tasks.classification.train_several import train_classifiers
from seqcli.tasks.embeddings import train as embeddings
from seqcli.tasks.initial_weights import default_arch, default_unit
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.train_several import train_language_models
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import Trained
from seqcli.tasks.training_options import TrainingOptions
from seqcli.tasks.translation.data import PairFiles
from seqcli.tasks.translation.train_several import train_translators

AnyModel = TypeVar("AnyModel", LanguageModel, Classifier, Translator, Embeddings)
Path: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = Path | Iterable[Path]
Archs: TypeAlias = str | Sequence[str]
_OPTIONS = [field.name for field in dataclasses.fields(TrainingOptions)]
_LOGGER = logging.getLogger("seqcli")


@dataclass(frozen=True)
class Progress:
    """The progress of a training. what: the current work, with the scores of the last steps of a neural model; total:
    None where it is not known."""

    what: str
    done: float
    total: float | None = None

    @property
    def share(self) -> float:
        """Share of the current work that is done, from 0 to 1; 0 where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0


def train_lm(
    data: Paths,
    output: Path,
    *,
    arch: Archs | None = None,
    valid: Paths = (),
    unit: str | None = None,
    order: int | None = None,
    prune: Sequence[int] | None = None,
    quantize: int | None = None,
    memory: int | None = None,
    objective: str | None = None,
    init: Path | None = None,
    text_column: str | None = None,
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> LanguageModel | dict[str, LanguageModel]:
    """Trains a language model on the text in `data`, writes it to the folder `output` and returns it.

    arch: "ngram" (the default), "feedforward", "rnn", "lstm", "gru" or "transformer"; several are trained alike, into a folder each in
    `output`, and returned by name. init: a language model to start from, whose arch and unit are then the defaults. order, prune, quantize (8 bits), memory (bytes): of n-grams. objective: of a Transformer, "causal", "masked" or "hybrid".
    progress: called as the work goes on, up to ten times a
    second. options: those of every training, such as minutes, epochs, seed, preset, tokenizer, settings, force and resume.
    """
    first = _folder(init)
    unit = unit or (default_unit(first) if first else "line")
    corpus = Corpus(_paths(data), unit=unit, text_column=text_column, format=format, encoding=encoding, strict=strict)
    held_out = _paths(valid)
    with _command(progress) as reporter:
        trained = train_language_models(
            corpus,
            path_of(output),
            _training_options(arch or (default_arch(first) if first else "ngram"), options),
            valid=dataclasses.replace(corpus, paths=held_out) if held_out else None,
            order=order,
            prune=prune,
            quantize=quantize,
            memory=memory,
            objective=objective,
            init=first,
            reporter=reporter,
        )
        return _models(trained, LanguageModel, reporter)


def train_classifier(
    data: Paths,
    output: Path,
    *,
    arch: Archs | None = None,
    valid: Paths = (),
    text_column: str | None = None,
    label_column: str | None = None,
    label_map: Mapping[str, str] | None = None,
    order: int | None = None,
    runs: int = 1,
    metric: str | None = None,
    label_weights: str | None = None,
    init: Path | None = None,
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Classifier | dict[str, Classifier]:
    """Trains a classifier on the labelled texts in `data`, writes it to the folder `output` and returns it.

    arch: "ngram", "bag" (the default), "cnn", "rnn", "lstm", "gru" or "transformer"; several, or several runs, are returned by
    name. label_map: new names of labels, such as {"0": "negative"}. metric: "accuracy", "macro_f1" or "loss", which selects the best weights. init: a model to start
    from, whose arch is then the default. progress, options: as for `train_lm`.
    """
    first = _folder(init)
    files = LabelledFiles(
        _paths(data), text_column, label_column, format=format, encoding=encoding, strict=strict,
        label_map=LabelMap.of(label_map),
    )  # fmt: skip
    held_out = _paths(valid)
    with _command(progress) as reporter:
        trained = train_classifiers(
            files,
            path_of(output),
            _training_options(arch or (default_arch(first) if first else "bag"), options),
            valid=dataclasses.replace(files, paths=held_out) if held_out else None,
            order=order,
            runs=runs,
            metric=metric,
            label_weights=label_weights,
            init=first,
            reporter=reporter,
        )
        return _models(trained, Classifier, reporter)


def train_translator(
    data: Paths,
    output: Path,
    *,
    source: Path | None = None,
    target: Path | None = None,
    arch: Archs | None = None,
    valid: Paths = (),
    valid_source: Path | None = None,
    valid_target: Path | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
    metric: str = "chrf",
    init: Path | None = None,
    separate: bool = False,
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Translator | dict[str, Translator]:
    """Trains a translator on the pairs in `data`, writes it to the folder `output` and returns it.

    The pairs are a table of two columns, or, with data=(), the lines of the files `source` and `target`. arch: "rnn",
    "lstm", "gru" or "transformer"; several are returned by name. metric: "chrf", "bleu" or "loss", which selects the
    best weights. init: a translator to start from. separate: one tokenizer per language. progress, options: as for
    `train_lm`.
    """
    first = _folder(init)
    files = PairFiles(
        _paths(data),
        source=_path(source),
        target=_path(target),
        source_column=source_column,
        target_column=target_column,
        format=format,
        encoding=encoding,
        strict=strict,
    )
    with _command(progress) as reporter:
        trained = train_translators(
            files,
            path_of(output),
            _training_options(arch or (default_arch(first) if first else "transformer"), options),
            valid=files.held_out(_paths(valid), source=_path(valid_source), target=_path(valid_target)),
            metric=metric,
            init=first,
            separate=separate,
            reporter=reporter,
        )
        return _models(trained, Translator, reporter)


def train_embeddings(
    data: Paths,
    output: Path,
    *,
    arch: str = "skipgram",
    dim: int | None = None,
    window: int | None = None,
    min_count: int = embeddings.MIN_COUNT,
    text_column: str | None = None,
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Embeddings:
    """Trains word embeddings on the text in `data`, writes them into the folder `output` and returns them.

    arch: "skipgram", "cbow" or "glove". dim: the width of the vectors; window: contexts on each side; min_count: of the words
    that get a vector. progress, options: as for `train_lm`.
    """
    corpus = Corpus(_paths(data), text_column=text_column, format=format, encoding=encoding, strict=strict)
    with _command(progress) as reporter:
        trained = embeddings.train(
            corpus,
            path_of(output),
            _training_options(arch, {**options, "min_count": min_count}),
            dim=dim,
            window=window,
            reporter=reporter,
        )
        return _model(trained, Embeddings, reporter)


def train_tokenizer(
    data: Paths,
    output: Path,
    *,
    tokenizer: str = "sentencepiece",
    algorithm: str | None = None,
    vocab_size: int | None = None,
    min_count: int = 1,
    limit_vocab: Path | None = None,
    text_column: str | None = None,
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Tokenizer:
    """Trains a tokenizer ("sentencepiece", "words", "characters" or "bytes") on the text in `data`, writes it to the
    folder `output` and returns it. algorithm: of sentencepiece, "unigram" or "bpe"."""
    corpus = Corpus(_paths(data), text_column=text_column, format=format, encoding=encoding, strict=strict)
    choice = TokenizerChoice(
        tokenizer, vocab_size=vocab_size, min_count=min_count, limit=_path(limit_vocab), algorithm=algorithm
    )
    with _command(progress) as reporter:
        return tokenizer_choice.train_tokenizer(corpus, choice, path_of(output), force=force, reporter=reporter)


class _Reporter:
    """A `Reporter` for Python. callback: is called with each `Progress`."""

    def __init__(self, callback: Callable[[Progress], None] | None):
        self._callback = callback

    def note(self, line: str) -> None:
        _LOGGER.info(line)

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        if self._callback:
            self._callback(Progress(what, done, total))

    def clear(self) -> None:
        pass


@contextmanager
def _command(progress: Callable[[Progress], None] | None) -> Iterator[Reporter]:
    """Context of a training: its budget of minutes starts now, and a signal that ended it is raised as the exception
    that Python would raise."""
    with clock.command():
        try:
            yield _Reporter(progress)
        except signals.Stopped:
            raise signals.as_python() from None
        except SystemExit as stop:  # of the training loop, once it has saved
            raise (KeyboardInterrupt() if stop.code == 128 + signal.SIGINT else stop) from None


def _folder(source: Path | None, *, weights: bool = True) -> str | None:
    """The path of a model, or of a tokenizer where no weights are needed."""
    return None if source is None else sources.located(path_of(source), weights=weights, reporter=SILENT)


def _training_options(arch: Archs, options: dict[str, Any]) -> TrainingOptions:
    for name in options:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TypeError(f"unexpected keyword argument {name!r}{hint}")
    if "tokenizer" in options:
        options = {**options, "tokenizer": _folder(options["tokenizer"], weights=False)}
    if "distill" in options:
        options = {**options, "distill": tuple(map(_folder, _listed(options["distill"] or ())))}
    archs = _listed(arch)
    for each in archs:
        if not isinstance(each, str):
            raise UsageError(f"{type(each).__name__} is not a string", where="arch", cure="name an architecture")
    return TrainingOptions(archs, **options)


def _models(
    trained: Iterable[Trained[Any]], kind: Callable[[Any, Any, Any], AnyModel], reporter: Reporter
) -> AnyModel | dict[str, AnyModel]:
    """The model, or several by name."""
    models: dict[str, AnyModel] = {}
    for each in trained:
        models[each.name] = _model(each, kind, reporter)
        several = each.several
    return models if several else models.popitem()[1]


def _model(trained: Trained[Any], kind: Callable[[Any, Any, Any], AnyModel], reporter: Reporter) -> AnyModel:
    """A model with what its folder records; how the training went is noted."""
    for line in trained.summary:
        reporter.note(f"{trained.name}: {line}" if trained.several else line)
    return kind(trained.opened, ModelFolder.open(trained.path).config, Opening(os.path.abspath(trained.path)))


def _path(path: Path | None) -> str | None:
    return None if path is None else path_of(path)


def _paths(paths: Paths) -> tuple[str, ...]:
    return tuple(map(path_of, _listed(paths)))


def _listed(given: Any) -> list[Any]:
    """One value or several, as a list."""
    return [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
