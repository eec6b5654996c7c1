"""What a command has in hand: its records, its models, its output, each found when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import TypeVar

from seqcli.commands.by_script import ByScript
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
from seqcli.data.parallel import ordered_map
from seqcli.data.tables import ColumnSpec
from seqcli.errors import UsageError
from seqcli.interfaces import OpenModel, Reporter
from seqcli.report.output import TABLE, Output
from seqcli.text import UNK

Result = TypeVar("Result")
_SOON = 1 << 15  # bytes of text in a table
_NETWORKS = ("device", "precision", "batch_tokens")  # options for them


class TextJob:
    """Records and where results go. sources: of the models or tokenizers, as `-m` names them; usual: what a table's column of
    texts is called, if not as elsewhere; kind: of the sample models that answer where there are no sources; clean:
    what is done to blocks of lines when they are read."""

    usual: ColumnSpec | None = None
    kind = "language"
    clean: Callable[[Block], Block] | None = None

    def __init__(
        self,
        source: TextInput,
        results: Results,
        reporter: Reporter,
        sources: list[str],
        *,
        machine: Machine,
        example: str,
    ):
        self.source, self.results, self.reporter, self.sources = source, results, reporter, sources
        if source.encoding:
            from seqcli.interop import is_arpa
            from seqcli.tasks.language.load import named

            source.encoding_is_of_model = any(is_arpa(path) for _, path in named(sources))
        self.machine, self._example = machine, example
        self._size: int | None = None  # of blocks
        self.beginning = ""  # of the text, to see its script by
        self._networks: list = []
        self._noted = False  # that options for networks have no effect
        self._by_script = True
        self.samples = None if sources else ByScript(self.sample, kind=self.kind, reporter=reporter)

    def sample(self, language: str):
        """The sample model for a language, ready to be asked."""
        from seqcli import samples

        opened = samples.language_model_of(language, reporter=self.reporter)
        self.place([opened.model], otherwise="n-gram models are looked up, not computed")
        return opened

    @cached_property
    def blocks(self) -> Iterator[Block]:
        """All blocks, without -m of one script each; the first has been read, so that a missing file is an error before
        anything is built."""
        blocks = self.source.blocks(
            example=self._example, reporter=self.reporter, size=self._size, usual=self.usual, clean=self.clean
        )
        if self.samples is not None and self._by_script:
            blocks = self.samples.cut(blocks, texts=self.script_texts)
        first = next(blocks, None)
        self.beginning = first.data.decode() if first else ""
        return iter(()) if first is None else chain([first], blocks)

    def note_samples(self) -> None:
        """What a user should know of the sample models that answered, where they did."""
        if self.samples:
            self.samples.note()

    def script_texts(self, block: Block) -> list[str]:
        """What tells the script of each record."""
        return block.records()

    @property
    def samples_in_use(self) -> list:
        """Those opened so far, at least one: without any text it is the English one."""
        if not self.samples.opened:
            self.samples.of(self.samples.language_of(self.beginning, counted=not self._by_script))
        return list(self.samples.opened.values())

    def place(self, models: list, *, otherwise: str) -> None:
        """Networks among the models go where the options say; otherwise: why those options change nothing."""
        machine = self.machine
        networks = [model for model in models if hasattr(model, "place")]
        self._networks += networks
        if not networks:
            if not self._noted:
                machine.without(self.reporter, *_NETWORKS, reason=otherwise)
            self._noted = True
            return
        from seqcli.training.device import place

        placement = place(machine.device or "cpu", machine.precision or "fp32", threads=machine.threads)
        for network in networks:
            network.place(placement, batch_tokens=machine.batch_tokens)

    @property
    def threads(self) -> int | None:
        """Of processes: one where a network computes, whose threads, or GPU, do not outlive a fork, and where samples are opened
        as the texts need them."""
        return 1 if self._networks or self.samples else self.machine.threads

    def answering(self) -> None:
        """Finds who answers: models, or tokenizers."""
        raise NotImplementedError

    def opened(
        self, *, by_record: bool = False, shared: bool = False, size: int | None = None, whole: bool = False
    ) -> Output:
        """The output, after input and models have been found. by_record: on a terminal the first rows come soon; shared:
        rows are made of `answers`, which all processes of torchrun give, where all else rank 0 does alone; size: of blocks,
        in bytes of text; whole: the input is one text, which one sample model answers."""
        self._by_script = not whole
        out = self.results.opened()
        self._awaited = by_record and (out.line_buffered or out.mode == TABLE)
        self._size = _SOON if by_record and out.mode == TABLE else size
        _ = self.blocks
        self.answering()
        if not (shared or self._networks or self.machine.threads is None):
            self.reporter.note("--threads has no effect here: one process answers")
        return out

    def answers(self, function: Callable[[Block], Result]) -> Iterator[Result]:
        """function(block) of every block, in order; one after another where a reader waits for the next."""
        return ordered_map(function, self.blocks, workers=1 if self._awaited else self.threads)


def check_mix(mix: list[float] | str | None, sources: list[str]) -> None:
    """Before models are opened: weights are for several, one each."""
    if mix is not None and len(sources) < 2:
        raise UsageError("--mix needs several -m")
    if isinstance(mix, list) and len(mix) != len(sources):
        raise UsageError(f"{len(mix)} weights for {len(sources)} models", where="--mix")


class ModelJob(TextJob):
    """A job for language models. mix: weights, or a file to fit them to; all models are then asked as one."""

    def __init__(self, *arguments, mix: list[float] | str | None = None, **named):
        super().__init__(*arguments, **named)
        check_mix(mix, self.sources)
        self._mix = mix

    @property
    def models(self) -> list[OpenModel]:
        """Of -m; without, the samples that are in use so far."""
        return self.samples_in_use if self.samples else self._chosen

    def asked(self, block: Block) -> list[OpenModel]:
        """Who answers the records of a block."""
        return [self.samples.of(block.language)] if self.samples else self._chosen

    @cached_property
    def _chosen(self) -> list[OpenModel]:
        """Those of -m."""
        from seqcli.tasks.language.load import open_models
        from seqcli.tasks.language.mixture import fitted, mixed

        models = open_models(self.sources, encoding=self.source.encoding, reporter=self.reporter)
        self.place([opened.model for opened in models], otherwise="n-gram models are looked up, not computed")
        if self._mix is None:
            return models
        if isinstance(self._mix, str):
            return [fitted(models, self._mix, reporter=self.reporter)]
        return [mixed(models, self._mix)]

    @cached_property
    def blocks(self) -> Iterator[Block]:
        return self._noting_unknown(super().blocks)

    def _noting_unknown(self, blocks: Iterable[Block]) -> Iterator[Block]:
        from seqcli.tokenizers import words  # numpy

        count = 0
        for block in blocks:
            count += words.written(block.data, (UNK,))
            yield block
        self.note_unknown(count)

    def note_unknown(self, count: int) -> None:
        """A note on words that are written as `<unk>`, where a model reads words."""
        from seqcli.tokenizers import words

        readers = [getattr(opened, "tokenizer", None) or opened.target for opened in self.models] if count else []
        if any(tokenizer.KIND == words.KIND for tokenizer in readers):
            self.reporter.note(f"{count:,} <unk> written in the text: counted as unknown words")

    @property
    def many(self) -> bool:
        return not self.samples and len(self.models) > 1

    def answering(self) -> None:
        _ = self.models  # of the samples, that of the first record
