"""The steps of every command: open the records, open the models, compute results block by block, write them.

with results.opened() as out:
    records = open_records(arguments, ...)     # a missing file is an error before any model is opened
    models = open_...models(arguments, ...)    # those of -m, or the sample models (`commands/models`)
    for row in map_blocks(arguments, function, models.route(records), models, ...):
        out.write(row)

With --ray it is workers on other machines that call `function`. What it closes over is pickled: arguments without what only concerns this
process, models as the call that opens them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, TextIO, TypeVar

from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data import lines, records
from seqcli.data.columns import TEXT, ColumnSpec
from seqcli.data.lines import Block
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, Reporter
from seqcli.report.output import TABLE, Output
from seqcli.sources import all_located, pinned
from seqcli.system.workers import ordered_map

if TYPE_CHECKING:
    from seqcli.commands.models import Models

Answer = TypeVar("Answer")
SOON = 1 << 15  # bytes of text after which a table's rows appear


@dataclass(frozen=True)
class Arguments:
    """The common part of a command line: input, output and machine. model: as given by -m; mix: weights of the models, or a text to fit
    them to."""

    source: TextInput
    results: Results
    reporter: Reporter
    machine: Machine
    model: Sequence[str]
    needs_weights: ClassVar[bool] = True  # of the models, not their tokenizers alone
    mix: list[float] | str | None = field(default=None, kw_only=True)
    signed: bool = field(default=False, kw_only=True)  # show signatures on a terminal, too

    def signature_in(self, where: TextIO | Output, signature: str) -> str:
        """A signature as the end of a line of a note or a table: nothing on a terminal where it was not asked for."""
        terminal = where.mode == TABLE if isinstance(where, Output) else where is not None and where.isatty()
        return "" if terminal and not (self.signed or self.machine.verbose) else f"  {signature}"

    @cached_property
    def sources(self) -> list[str]:
        """The models of -m as `DIR` or `NAME=DIR`."""
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
    column: ColumnSpec = TEXT, clean: Callable[[Block], Block] | None = None,
) -> Records:  # fmt: skip
    """Opens the input. example: a command, shown where there is nothing to read; source: where the records come from, if not from the
    command's own source; out: an output whose rows should appear as they are computed; size: of blocks, in bytes; column: of the texts
    of a table; clean: applied to blocks of lines."""
    source = source or arguments.source
    if source.text and source.input:
        files = all(map(os.path.isfile, source.text))
        cure = f"quote a pattern, or give -i before each file: -i {shlex.quote(source.text[0])}" if files else None
        raise UsageError("both texts and --input are given", cure=cure or "give one of them")
    if source.text:
        encoding = source.encoding and not is_encoding_of_model(source, arguments.model)
        if source.text_column or source.keep or source.format or encoding:
            raise UsageError("--text-column, --keep, --encoding and --format are for --input FILE")
        return Records(_arguments(source, reporter=arguments.reporter, clean=clean))
    if not source.input and lines.is_interactive():
        raise UsageError(
            "nothing to read", cure=f"for example\n  {example}\n  cat FILE | {example.split(chr(34))[0].strip()}"
        )
    size = SOON if out is not None and out.mode == TABLE else size or lines.BLOCK_BYTES
    return Records(_files(source, reporter=arguments.reporter, size=size, column=column, clean=clean))


def _arguments(source: TextInput, *, reporter: Reporter, clean: Callable[[Block], Block] | None) -> Iterator[Block]:
    """The texts of the command line as one block."""
    assert source.text
    for text in source.text:
        if os.path.isfile(text):
            reporter.note(f"{text} is read as a text; to read the file of that name, use -i {shlex.quote(text)}")
            break
        if os.path.isdir(text):
            reporter.note(
                f"{text} is read as a text; for a model in the folder of that name, use -m {shlex.quote(text)}"
            )
            break
    block = lines.block_of(source.text, strict=source.strict)
    return lines.noting([clean(block) if clean else block], "arguments", reporter)


def _files(
    source: TextInput, *, reporter: Reporter, size: int, column: ColumnSpec, clean: Callable[[Block], Block] | None
) -> Iterator[Block]:
    """The blocks of all files, one file after another, with the numbers of the records and of the file."""
    column, first = replace(column, name=source.text_column), 1
    for number, path in enumerate(source.paths):
        blocks = records.read_blocks(
            path,
            column=column,
            keep=source.keep or (),
            size=size,
            format=source.format,
            blank_end=partial(lines.note_blank_end, path=path, reporter=reporter),
            **source.reading,
        )
        if clean and not records.has_columns(path, source.format):
            blocks = map(clean, blocks)
        for block in lines.noting(blocks, path, reporter):
            yield replace(block, first=first, file=number) if number else block
            first += len(block)


def is_encoding_of_model(source: TextInput, sources: Sequence[str]) -> bool:
    """Whether --encoding also applies to a model, which is the case for an ARPA file."""
    if not source.encoding:
        return False
    from seqcli.interop.formats.arpa import is_arpa
    from seqcli.tasks.language.load import named

    return any(is_arpa(path) for _, path in named(sources))


class AlignedFile:
    """A second input file with one line per record, such as contexts or references, read into memory in the encoding of `source`.
    what: noun for error messages; column: column of a table, None to read every file as lines."""

    def __init__(self, path: str, *, what: str, column: ColumnSpec | None, source: TextInput, reporter: Reporter):
        self._where, self._what = path, what
        if column:
            ended = partial(lines.note_blank_end, path=path, reporter=reporter)
            blocks = records.read_blocks(path, column=column, blank_end=ended, **source.reading)
        else:
            blocks = lines.read_blocks(path, **source.reading)
        self._lines = [line for block in lines.noting(blocks, path, reporter) for line in block.records()]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> str:
        return self._lines[index]

    @property
    def beginning(self) -> str:
        return "\n".join(self._lines[:100])

    def of(self, block: Block) -> list[str]:
        """The lines for the records of a block. Raises InputError if there are too few."""
        self._expect(block.first - 1 + len(block) <= len(self._lines), "more")
        return self._lines[block.first - 1 : block.first - 1 + len(block)]

    def check(self, records: int) -> None:
        """Raises InputError at the end if lines are left over."""
        self._expect(len(self._lines) <= records, "fewer")

    def _expect(self, fits: bool, number: str) -> None:
        if not fits:
            what = f"{len(self._lines)} {self._what} for {number} records"
            raise InputError(what, where=self._where, cure="give one line per record")


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
