"""The models of a command: those of -m, or the sample models, each for the records in its script."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from typing import Any, Generic, TypeVar

from seqcli import samples
from seqcli.commands.options import Machine
from seqcli.commands.session import Arguments
from seqcli.data.lines import Block
from seqcli.errors import UsageError
from seqcli.interfaces import OpenModel, OpenTranslator, Placeable, Reporter
from seqcli.text import UNK

Model = TypeVar("Model")
_NETWORK_OPTIONS = ("device", "precision", "batch_tokens")


class Placement:
    """Moves neural models to --device, --precision and --batch-tokens. reason: why these have no effect on other models."""

    def __init__(self, machine: Machine, *, reporter: Reporter, reason: str):
        self._machine, self._reporter, self._reason = machine, reporter, reason
        self._noted = False
        self.networks = False  # whether a neural model was placed

    def __call__(self, opened: Model) -> Model:
        """The opened model, placed."""
        return self.all([opened])[0]

    def all(self, opened: Sequence[Model]) -> list[Model]:
        """Places models that are used together. The options have an effect if one of them is neural."""
        machine = self._machine
        networks = [model for each in opened if isinstance(model := getattr(each, "model", None), Placeable)]
        if networks:
            from seqcli.training.device import place

            device = None if machine.ray else machine.device  # that of the workers
            placed = place(device or "cpu", machine.precision or "fp32", threads=machine.threads)
            for network in networks:
                network.place(placed, batch_tokens=machine.batch_tokens)
            self.networks = True
        elif opened and not (self.networks or self._noted):
            machine.without(self._reporter, *_NETWORK_OPTIONS, reason=self._reason)
            self._noted = True
        return list(opened)


class Models(Generic[Model]):
    """The models of -m (`chosen`), or, without -m, the sample models, each for the records of its script.

    open_sample: opens the sample model of a language; kind: "language", "sentiment" or "translation"; whole: use one
    sample model for the whole input, chosen by the script of its beginning; reopen: the call that opens them in another process,
    None where they are not used in one.
    """

    def __init__(
        self, chosen: list[Model], place: Placement, *, open_sample: Callable[[str], Model], kind: str, beginning: str,
        reporter: Reporter, whole: bool = False, reopen: Callable[[], Models[Model]] | None = None,
    ):  # fmt: skip
        self._reopen = reopen
        self.chosen, self._place, self._beginning, self._whole = chosen, place, beginning, whole
        self.samples = None if chosen else ByScript(open_sample, kind=kind, reporter=reporter)
        if self.samples and whole:
            _ = self.all

    def __reduce__(self) -> tuple[Callable[[], Models[Model]], tuple[()]]:
        assert self._reopen, "these models are used in one process"
        return self._reopen, ()

    @property
    def all(self) -> list[Model]:
        """The models of -m; otherwise the sample models needed so far, at least one."""
        if self.samples is None:
            return self.chosen
        if not self.samples.opened:
            self.samples.of(self.samples.language_of(self._beginning, counted=self._whole))
        return list(self.samples.opened.values())

    @property
    def several(self) -> bool:
        return len(self.chosen) > 1

    def of(self, block: Block) -> list[Model]:
        """The models for the records of a block."""
        if self.samples is None:
            return self.chosen
        return self.all if self._whole else [self.samples.answering(block)]

    def route(
        self, records: Iterable[Block], *, texts: Callable[[Block], list[str]] = Block.records
    ) -> Iterator[Block]:
        """The blocks, split where the sample model changes. texts: the texts that determine the script of each
        record."""
        if self.samples is None or self._whole:
            return iter(records)
        blocks = self.samples.cut(iter(records), texts=texts)
        first = next(blocks, None)
        if first is None:
            return iter(())
        self.of(first)  # an error in it is raised before anything is written
        return chain([first], blocks)

    def note_samples(self) -> None:
        """Prints a note on words that the sample models do not know."""
        if self.samples:
            self.samples.note()

    @property
    def networks(self) -> bool:
        """Whether one of the models is neural."""
        return self._place.networks

    @property
    def may_fork(self) -> bool:
        """Whether several processes may be used: threads and GPUs of neural models do not survive a fork, and sample
        models are opened as the texts need them."""
        return self.samples is None and not self.networks


def open_language_models(
    arguments: Arguments, *, beginning: str = "", whole: bool = False,
    adapt: Callable[[OpenModel], Any] = lambda opened: opened,
) -> Models[Any]:  # fmt: skip
    """Opens the language models of -m, interpolated into one with --mix. beginning: of the texts; adapt: what is made of each model before it is placed."""
    from seqcli.tasks.language import load, mixture

    reporter = arguments.reporter
    place = Placement(arguments.machine, reporter=reporter, reason="n-gram models run on the CPU")
    models = load.open_models(arguments.sources, encoding=arguments.source.encoding, reporter=reporter)
    chosen = place.all([adapt(opened) for opened in models])
    mix = arguments.mix
    if isinstance(mix, str):
        mix = mixture.fitted_weights(chosen, mix, reporter=reporter)
    if mix is not None:
        chosen = [mixture.mixed(chosen, mix)]
    reopen = partial(open_language_models, dataclasses.replace(arguments, mix=mix))
    return Models(
        chosen, place, reopen=reopen, open_sample=lambda language: place(adapt(samples.language_model_of(language, reporter=reporter))),
        kind="language", beginning=beginning, reporter=reporter, whole=whole,
    )  # fmt: skip


def check_mix(mix: list[float] | str | None, sources: Sequence[str]) -> None:
    """Raises UsageError, before models are opened, unless there are several models and one weight for each."""
    if mix is not None and len(sources) < 2:
        raise UsageError("--mix needs several -m")
    if isinstance(mix, list) and len(mix) != len(sources):
        raise UsageError(f"{len(mix)} weights for {len(sources)} models", where="--mix")


def note_threads(arguments: Arguments, models: Models) -> None:
    """Prints a note on --threads, for modes that use one process."""
    if arguments.machine.threads is not None and not models.networks:
        arguments.reporter.note("--threads has no effect: this mode uses one process")


def noting_unknown(
    blocks: Iterable[Block], models: Models[OpenModel] | Models[OpenTranslator], *, reporter: Reporter
) -> Iterator[Block]:
    """Passes the blocks through, and prints a note at the end on literal `<unk>` in the text if a model reads words."""
    from seqcli.tokenizers import words  # numpy

    count = 0
    for block in blocks:
        count += words.written(block.data, (UNK,))
        yield block
    note_unknown(count, models, reporter=reporter)


def note_unknown(count: int, models: Models[OpenModel] | Models[OpenTranslator], *, reporter: Reporter) -> None:
    from seqcli.tokenizers import words

    if not count:
        return
    readers = [opened.target if isinstance(opened, OpenTranslator) else opened.tokenizer for opened in models.all]
    if any(tokenizer.KIND == words.KIND for tokenizer in readers):
        reporter.note(f"{count:,} <unk> in the text counted as unknown words")


@dataclass(frozen=True)
class ScriptBlock(Block):
    """Records for one sample model."""

    language: str = samples.ENGLISH


class ByScript(Generic[Model]):
    """The sample models of a kind ("language", "sentiment", "translation"), each opened by `opener` when it is first
    needed.

    Counts unknown words, and records in scripts that no sample model covers.
    """

    def __init__(self, opener: Callable[[str], Model], *, kind: str, reporter: Reporter):
        self.opened: dict[str, Model] = {}  # by language, in the order of the texts
        self.noting = True
        self._opener, self._kind, self._reporter = opener, kind, reporter
        self._words = self._new = self._foreign = 0

    def answering(self, block: Block) -> Model:
        """The model for a block returned by `cut`."""
        assert isinstance(block, ScriptBlock)
        return self.of(block.language)

    def of(self, language: str) -> Model:
        if language not in self.opened:
            self.opened[language] = self._opener(language)
        return self.opened[language]

    def cut(
        self, blocks: Iterator[Block], *, texts: Callable[[Block], list[str]] = Block.records
    ) -> Iterator[ScriptBlock]:
        """The records in order, in blocks of one script each; prints a note at the end. texts: the texts that
        determine the script."""
        for block in blocks:
            own = texts(block)
            begin = 0
            for language, run in groupby(self._languages(own)):
                end = begin + sum(1 for _ in run)
                self._count(own[begin:end], language)
                part = block if end - begin == len(own) else block.part(begin, end)
                yield ScriptBlock(
                    **{f.name: getattr(part, f.name) for f in dataclasses.fields(Block)}, language=language
                )
                begin = end
        self.note()

    def _languages(self, texts: list[str]) -> list[str]:
        languages = list(map(samples.language_of, texts))
        if self._kind == "translation":  # a blank line stays blank with any model
            for k, text in enumerate(texts):
                if not text.strip() and k:
                    languages[k] = languages[k - 1]
            first = next((k for k, text in enumerate(texts) if text.strip()), 0)
            languages[:first] = [languages[first]] * first if languages else []
        return languages

    def language_of(self, text: str, *, counted: bool = True) -> str:
        """The language whose model is used for a text. counted: whether the text counts for the note."""
        language = samples.language_of(text)
        if counted:
            self._count([text], language)
        return language

    def _count(self, texts: list[str], language: str) -> None:
        known = samples.words(self._kind, language)
        for text in texts:
            if samples.is_foreign(text):
                self._foreign += 1
            else:
                words = samples.words_of(text)
                self._words += len(words)
                self._new += sum(word not in known for word in words)

    def note(self) -> None:
        """Prints notes on unknown scripts and unknown words."""
        if self._foreign and self.noting:
            records = "1 record is" if self._foreign == 1 else f"{self._foreign:,} records are"
            self._reporter.note(
                f"{records} in a script that the sample models do not cover (they cover Latin letters and Hangul); choose a model with -m"
            )
        if self._new and self.noting:
            words = "1 word" if self._words == 1 else f"{self._words:,} words"
            self._reporter.note(f"{self._new:,} of {words} unknown to the sample models; choose a model with -m")
        self._words = self._new = self._foreign = 0
