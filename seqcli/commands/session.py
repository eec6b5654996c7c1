"""The steps of every command: open the records, open the models, compute results block by block, write them.

with results.opened() as out:
    records = open_records(source, ...)        # a missing file is an error before any model is opened
    models = open_models(sources, ...)         # those of -m, or the sample models
    for row in map_blocks(function, models.route(records), ...):
        out.write(row)

With --ray it is workers on other machines that call `function`. What it closes over is pickled: arguments without what only concerns this
process, models as the call that opens them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from itertools import chain
from typing import Any, ClassVar, Generic, TextIO, TypeVar

from seqcli.commands.by_script import ByScript
from seqcli.commands.machine import Machine
from seqcli.commands.options import Results, TextInput
from seqcli.data.lines import Block
from seqcli.data.tables import ColumnSpec
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT, OpenModel, OpenTranslator, Placeable, Reporter
from seqcli.report.output import TABLE, Output
from seqcli.sources import pinned
from seqcli.system.workers import ordered_map
from seqcli.text import UNK

Model = TypeVar("Model")
Answer = TypeVar("Answer")
SOON = 1 << 15  # bytes of text after which a table's rows appear
_NETWORK_OPTIONS = ("device", "precision", "batch_tokens")


@dataclass(frozen=True)
class Arguments:
    """The common part of a command line: input, output and machine. model: as given by -m."""

    source: TextInput
    results: Results
    reporter: Reporter
    machine: Machine
    model: Sequence[str]
    needs_weights: ClassVar[bool] = True  # of the models, not their tokenizers alone
    signed: bool = field(default=False, kw_only=True)  # signatures are wanted on a terminal, too

    def signature_in(self, where: TextIO | Output, signature: str) -> str:
        """A signature as the end of a line of a note or a table: nothing on a terminal where it was not asked for."""
        terminal = where.mode == TABLE if isinstance(where, Output) else where is not None and where.isatty()
        return "" if terminal and not (self.signed or self.machine.verbose) else f"  {signature}"

    @cached_property
    def sources(self) -> list[str]:
        """The models of -m as `DIR` or `NAME=DIR`."""
        from seqcli.sources import all_located

        return all_located(self.model, weights=self.needs_weights, reporter=self.reporter)

    def __getstate__(self) -> dict[str, Any]:
        """For a worker on another machine, which uses one core, has nobody to notify and locates the models itself."""
        state = {each.name: getattr(self, each.name) for each in fields(self)}
        model = pinned(self.model, self.sources)
        return state | {"machine": self.machine.of_worker, "reporter": SILENT, "model": model}


class Records:
    """The blocks of a command's input, the first of which has already been read."""

    def __init__(self, blocks: Iterable[Block]):
        self._blocks = iter(blocks)
        self._first = next(self._blocks, None)

    @property
    def beginning(self) -> str:
        """The text of the first block, which determines the script of the input."""
        return self._first.data.decode() if self._first else ""

    def __getstate__(self) -> dict[str, Any]:
        """A worker on another machine gets its blocks from this one."""
        return {"_blocks": iter(()), "_first": None}

    def __iter__(self) -> Iterator[Block]:
        return self._blocks if self._first is None else chain([self._first], self._blocks)


def open_records(
    arguments: Arguments, *, example: str, source: TextInput | None = None, out: Output | None = None, size: int | None = None,
    column: ColumnSpec | None = None, clean: Callable[[Block], Block] | None = None,
) -> Records:  # fmt: skip
    """Opens the input. source: where the records come from, if not from the command's own source; out: an output
    whose rows should appear as they are computed; size: of blocks, in bytes; column: column of the texts, if not the
    usual one; clean: applied to blocks of lines."""
    source = source or arguments.source
    source.encoding_is_of_model = is_encoding_of_model(source, arguments.model)
    size = SOON if out is not None and out.mode == TABLE else size
    return Records(source.blocks(example=example, reporter=arguments.reporter, size=size, usual=column, clean=clean))


def is_encoding_of_model(source: TextInput, sources: Sequence[str]) -> bool:
    """Whether --encoding also applies to a model, which is the case for an ARPA file."""
    if not source.encoding:
        return False
    from seqcli.interop import is_arpa
    from seqcli.tasks.language.load import named

    return any(is_arpa(path) for _, path in named(sources))


class Placement:
    """Moves neural models to --device, --precision and --batch-tokens. otherwise: why these have no effect on other
    models."""

    def __init__(self, machine: Machine, *, reporter: Reporter, otherwise: str):
        self._machine, self._reporter, self._otherwise = machine, reporter, otherwise
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
            machine.without(self._reporter, *_NETWORK_OPTIONS, reason=self._otherwise)
            self._noted = True
        return list(opened)


class Models(Generic[Model]):
    """The models of -m (`chosen`), or, without -m, the sample models, each for the records of its script.

    open_sample: opens the sample model of a language; kind: "language", "sentiment" or "translation"; whole: use one
    sample model for the whole input, chosen by the script of its beginning; again: the call that opens them in another process,
    None where they are not used in one.
    """

    def __init__(
        self, chosen: list[Model], place: Placement, *, open_sample: Callable[[str], Model], kind: str, beginning: str,
        reporter: Reporter, whole: bool = False, again: Callable[[], Models[Model]] | None = None,
    ):  # fmt: skip
        self._again = again
        self.chosen, self._place, self._beginning, self._whole = chosen, place, beginning, whole
        self.samples = None if chosen else ByScript(open_sample, kind=kind, reporter=reporter)
        if self.samples and whole:
            _ = self.all

    def __reduce__(self) -> tuple[Callable[[], Models[Model]], tuple[()]]:
        assert self._again, "these models are used in one process"
        return self._again, ()

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
    arguments: Arguments, *, beginning: str = "", mix: list[float] | str | None = None, whole: bool = False,
    adapt: Callable[[OpenModel], Any] = lambda opened: opened,
) -> Models[Any]:  # fmt: skip
    """Opens language models given as `DIR` or `NAME=DIR`. beginning: of the texts; mix: weights, or a text to fit them to; all
    models are then interpolated into one; adapt: what is made of each model before it is placed."""
    from seqcli import samples
    from seqcli.tasks.language import load, mixture

    reporter = arguments.reporter
    place = Placement(arguments.machine, reporter=reporter, otherwise="n-gram models run on the CPU")
    models = load.open_models(arguments.sources, encoding=arguments.source.encoding, reporter=reporter)
    chosen = place.all([adapt(opened) for opened in models])
    if isinstance(mix, str):
        mix = mixture.fitted_weights(chosen, mix, reporter=reporter)
    if mix is not None:
        chosen = [mixture.mixed(chosen, mix)]
    again = partial(open_language_models, arguments, mix=mix)
    return Models(
        chosen, place, again=again, open_sample=lambda language: place(adapt(samples.language_model_of(language, reporter=reporter))),
        kind="language", beginning=beginning, reporter=reporter, whole=whole,
    )  # fmt: skip


def map_blocks(
    arguments: Arguments,
    function: Callable[[Block], Answer],
    blocks: Iterable[Block],
    models: Models,
    *,
    out: Output | None = None,
) -> Iterator[Answer]:
    """function(block) for every block, in order, on all cores if `models` may be used in several processes, or with --ray on a cluster.
    out: an output that gets each result as it comes; if its reader waits for rows, a single process is used."""
    machine = arguments.machine
    if machine.ray:
        from seqcli.system import cluster

        device = machine.device if models.networks else None
        gpu = {"cuda": True, "auto": None}.get(device or "cpu", False)
        return cluster.ordered_map(
            function, blocks, address=machine.ray, workers=machine.threads, gpu=gpu, note=arguments.reporter.note
        )
    alone = not models.may_fork or (out is not None and out.awaited)
    return ordered_map(function, blocks, workers=1 if alone else machine.threads)


def map_rows(
    arguments: Arguments, function: Callable[[Block], Iterator[Answer]], blocks: Iterable[Block], models: Models
) -> Iterator[Answer]:
    """The rows that function(block) gives, one by one as they are made; with --ray the rows of a block at a time."""
    if not arguments.machine.ray:
        return chain.from_iterable(map(function, blocks))
    return chain.from_iterable(map_blocks(arguments, lambda block: list(function(block)), blocks, models))


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


def check_mix(mix: list[float] | str | None, sources: Sequence[str]) -> None:
    """Raises UsageError, before models are opened, unless there are several models and one weight for each."""
    if mix is not None and len(sources) < 2:
        raise UsageError("--mix needs several -m")
    if isinstance(mix, list) and len(mix) != len(sources):
        raise UsageError(f"{len(mix)} weights for {len(sources)} models", where="--mix")
