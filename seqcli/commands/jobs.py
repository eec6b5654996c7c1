"""What a command has in hand: its records, its models, its output, each found when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain
from typing import TypeVar

from seqcli import torchrun
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
from seqcli.data.parallel import ordered_map, shared_map
from seqcli.data.tables import Wanted
from seqcli.errors import UsageError
from seqcli.interfaces import OpenModel, Reporter
from seqcli.report.output import TABLE, Output

Result = TypeVar("Result")
_SOON = 1 << 15  # bytes of text in a table
_NETWORKS = ("device", "precision", "batch_tokens")  # options for them


class TextJob:
    """Records and where results go. sources: of the models or tokenizers, as `-m` names them; usual: what a table's column of
    texts is called, if not as elsewhere."""

    usual: Wanted | None = None

    def __init__(
        self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *, machine: Machine, example: str
    ):
        self.source, self.results, self.reporter, self.sources = source, results, reporter, sources
        if source.encoding:
            from seqcli.interop import is_arpa
            from seqcli.tasks.language import named

            source.encoding_is_of_model = any(is_arpa(path) for _, path in named(sources))
        self.machine, self._example = machine, example
        self._size: int | None = None  # of blocks
        self.beginning = ""  # of the text, to see its script by
        self._networks: list = []

    @cached_property
    def blocks(self) -> Iterator[Block]:
        """All blocks; the first has been read, so that a missing file is an error before anything is built."""
        blocks = self.source.blocks(example=self._example, reporter=self.reporter, size=self._size, usual=self.usual)
        first = next(blocks, None)
        self.beginning = first.data.decode() if first else ""
        return iter(()) if first is None else chain([first], blocks)

    def place(self, models: list, *, otherwise: str) -> None:
        """Networks among the models go where the options say; otherwise: why those options change nothing."""
        machine = self.machine
        self._networks = [model for model in models if hasattr(model, "place")]
        if not self._networks:
            machine.without(self.reporter, *_NETWORKS, reason=otherwise)
            return
        from seqcli.training.placement import place

        placement = place(machine.device or "cpu", machine.precision or "fp32", threads=machine.threads)
        for network in self._networks:
            network.place(placement, batch_tokens=machine.batch_tokens)

    @property
    def threads(self) -> int | None:
        """Of processes: one where a network computes, whose threads, or GPU, do not outlive a fork."""
        return 1 if self._networks else self.machine.threads

    def answering(self) -> None:
        """Finds who answers: models, or tokenizers."""
        raise NotImplementedError

    def opened(self, *, by_record: bool = False, shared: bool = False, size: int | None = None) -> Output:
        """The output, after input and models have been found. by_record: on a terminal the first rows come soon; shared:
        rows are made of `answers`, which all processes of torchrun give, where all else rank 0 does alone; size: of blocks,
        in bytes of text."""
        out = self.results.opened()
        self._awaited = by_record and (out.line_buffered or out.mode == TABLE)
        self._shared = shared and not self._awaited and bool(self.sources)  # else rank 0's text chooses a sample
        if torchrun.rank():
            if not self._shared:
                raise SystemExit(0)
            self.blocks = iter(())  # rank 0 reads
        self._size = _SOON if by_record and out.mode == TABLE else size
        _ = self.blocks
        self.answering()
        return out

    def answers(self, function: Callable[[Block], Result]) -> Iterator[Result]:
        """function(block) of every block, in order; one after another where a reader waits for the next."""
        each = shared_map if self._shared else ordered_map
        return each(function, self.blocks, workers=1 if self._awaited else self.threads)

    @cached_property
    def sample_model(self) -> OpenModel:
        """The one for the script of the text, where no `-m` is given."""
        from seqcli import samples

        _ = self.blocks
        return samples.language_model(self.beginning, reporter=self.reporter)


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

    @cached_property
    def models(self) -> list[OpenModel]:
        from seqcli.tasks import language

        models = language.open_models(self.sources, encoding=self.source.encoding, reporter=self.reporter) if self.sources else [self.sample_model]
        self.place([opened.model for opened in models], otherwise="n-gram models are looked up, not computed")
        if self._mix is None:
            return models
        if isinstance(self._mix, str):
            return [language.fitted(models, self._mix, reporter=self.reporter)]
        return [language.mixed(models, self._mix)]

    @property
    def many(self) -> bool:
        return len(self.models) > 1

    def answering(self) -> None:
        _ = self.models
