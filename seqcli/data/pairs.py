"""Pairs of texts, a source and its translation: two columns of tables, or the lines of two files side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice, zip_longest

import numpy as np

from seqcli.data import hub, lines, records
from seqcli.data.columns import ColumnSpec, folded
from seqcli.data.lines import block_of
from seqcli.data.paths import is_hub
from seqcli.data.texts import Texts
from seqcli.errors import InputError, UsageError, listed
from seqcli.interfaces import SILENT, Reporter
from seqcli.system.clock import Deadline

SOURCE = ColumnSpec("source", ("source", "src"), may_lack=True)
TARGET = ColumnSpec("target", ("target", "tgt", "trg", "translation"), may_lack=True)
REFERENCE = ColumnSpec("reference", ("reference", "ref", *TARGET.usual), may_lack=True)
_AT_ONCE = 10_000  # pairs


@dataclass(frozen=True)
class Pairs:
    """Source n and target n are translations of each other; neither is blank."""

    source: Texts
    target: Texts
    blank: int = 0  # pairs left out because one side was blank

    def __len__(self) -> int:
        return len(self.source)

    def first(self, number: int) -> list[tuple[str, str]]:
        """The first pairs, at most `number`."""
        return list(zip(*(side.data.decode().split("\n")[:-1][:number] for side in (self.source, self.target))))

    def only(self, rows: np.ndarray) -> Pairs:
        """The selected pairs. rows: bool [N]."""
        return Pairs(Texts(self.source.lines_at(rows)), Texts(self.target.lines_at(rows)), self.blank)

    @property
    def both(self) -> Texts:
        """Both sides, to train a joint tokenizer."""
        return Texts(self.source.data + self.target.data)


def read_tables(
    paths: Sequence[str], *, source_column: str | None = None, target_column: str | None = None, format: str | None = None,
    encoding: str | None = None, strict: bool = False, deadline: Deadline | None = None, reporter: Reporter = SILENT,
) -> Pairs:  # fmt: skip
    """The pairs of .tsv, .csv, .json, .jsonl, .parquet files and data sets of the Hub.

    source_column: None takes the first of source, src that the file has; target_column: the first of target, tgt, trg,
    translation. deadline: when to stop reading. Raises UsageError for an unknown column or one that is used for both,
    InputError if there are no pairs.
    """
    if source_column is not None and target_column is not None and folded(source_column) == folded(target_column):
        raise UsageError(
            f"{source_column} cannot be both source and target", where=listed(paths), cure="choose another column"
        )
    sides = ((SOURCE, source_column, target_column), (TARGET, target_column, source_column))
    specs = [
        replace(side, name=name, usual=tuple(each for each in side.usual if other is None or each != folded(other)))
        for side, name, other in sides
    ]
    deadline = deadline or Deadline()
    parts = (
        _of_table(path, specs, reporter, deadline=deadline, format=format, encoding=encoding, strict=strict)
        for path in paths
    )
    return _kept(chain.from_iterable(parts), listed(paths))


def _of_table(
    path: str, specs: list[ColumnSpec], reporter: Reporter, *, deadline: Deadline, format: str | None, **reading
) -> Iterator[tuple[str, str]]:
    if is_hub(path):
        rows = hub.read_rows(path, specs)
    elif records.has_columns(path, format):
        ended = partial(lines.note_blank_end, path=path, reporter=reporter)
        rows = records.read_rows(path, specs, format=format, blank_end=ended, **reading)
    else:
        cure = f"give {records.NAMED}, or two files of lines: --source FILE --target FILE"
        raise UsageError("pairs need two columns", where=path, cure=cure)
    replaced = 0
    for _, cells, malformed in deadline.within(rows):
        replaced += malformed
        yield from ((source, target) for source, target in cells)
    lines.note_replaced(replaced, path, reporter)


def read_lines(
    source: str, target: str, *, encoding: str | None = None, strict: bool = False, deadline: Deadline | None = None,
    reporter: Reporter = SILENT,
) -> Pairs:  # fmt: skip
    """The pairs of two files of lines. Raises InputError if their numbers of lines differ."""

    def pairs() -> Iterator[tuple[str, str]]:
        ours, theirs = (_records(path, encoding, strict, reporter) for path in (source, target))
        for number, (one, other) in enumerate(zip_longest(ours, theirs)):
            if one is None or other is None:
                longer = 1 + sum(1 for _ in (theirs if one is None else ours)) + number
                counts = (number, longer) if one is None else (longer, number)
                raise InputError(
                    f"{counts[0]:,} and {counts[1]:,} lines do not match",
                    where=f"{source}, {target}",
                    cure="give two files with the same number of lines",
                )
            yield one, other

    return _kept((deadline or Deadline()).within(pairs()), f"{source}, {target}")


def _records(path: str, encoding, strict, reporter: Reporter) -> Iterator[str]:
    for block in lines.noting(lines.read_blocks(path, encoding=encoding, strict=strict), path, reporter):
        yield from block.records()


def _kept(pairs: Iterator[tuple[str, str]], where: str) -> Pairs:
    """The pairs in which neither side is blank. They are kept as bytes: a string object per text would take several times as
    much memory."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    blank = 0
    while some := list(islice(pairs, _AT_ONCE)):
        kept = [pair for pair in some if all(text.strip() for text in pair)]
        blank += len(some) - len(kept)
        for side, texts in zip(sides, zip(*kept)):
            side.append(block_of(texts).data)
    if not sides[0]:
        raise InputError("no pairs" + (f": one side of {blank:,} is blank" if blank else ""), where=where)
    source, target = (Texts(b"".join(side)) for side in sides)
    return Pairs(source, target, blank)
