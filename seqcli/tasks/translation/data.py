"""Sentence pairs for translators: files, held-out part, and limits of length and length ratio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from seqcli.data import held_out
from seqcli.data.pairs import Pairs, read_lines, read_tables
from seqcli.data.paths import expanded
from seqcli.data.records import check_readable
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, Reporter
from seqcli.system.clock import Deadline
from seqcli.token_batch import TokenBatch

HELD_OUT, MOST_HELD_OUT = 0.05, 1000  # share and maximum number of the pairs, if no validation pairs are given


@dataclass(frozen=True)
class PairFiles:
    """Tables of pairs, or a file of sources and one of targets, and how to read them. option: its name in errors."""

    paths: tuple[str, ...] = ()
    source: str | None = None
    target: str | None = None
    source_column: str | None = None
    target_column: str | None = None
    format: str | None = None
    encoding: str | None = None
    strict: bool = False
    option: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", expanded(self.paths))  # folders and patterns

    def check(self) -> None:
        """Checks, before any work, that the files make up pairs and can be opened."""
        if (self.source is None) != (self.target is None):
            given, other = ("source", "target") if self.target is None else ("target", "source")
            cure = "give two files of lines, or a table with two columns"
            raise UsageError(f"--{self.option}{given} needs --{self.option}{other}", cure=cure)
        if bool(self.paths) == (self.source is not None):
            what = "both tables and files of lines are given" if self.paths else "no pairs are given"
            table = f"--{self.option.rstrip('-')} FILE" if self.option else "DATA"
            cure = f"give {table} with two columns, or --{self.option}source FILE --{self.option}target FILE"
            raise UsageError(what, cure=cure)
        check_readable(self.files, format=self.format)

    @property
    def files(self) -> tuple[str, ...]:
        return self.paths or tuple(path for path in (self.source, self.target) if path is not None)

    def held_out(self, paths: Iterable[str], *, source: str | None, target: str | None) -> PairFiles | None:
        """Files of held-out pairs, read with the same options; None if none are given."""
        if not (paths or source or target):
            return None
        return replace(self, paths=tuple(paths), source=source, target=target, option="valid-")

    def read(self, *, deadline: Deadline | None = None, reporter: Reporter = SILENT) -> Pairs:
        if self.paths:
            return read_tables(
                self.paths, source_column=self.source_column, target_column=self.target_column, format=self.format,
                encoding=self.encoding, strict=self.strict, deadline=deadline, reporter=reporter,
            )  # fmt: skip
        source, target = self.files
        return read_lines(
            source, target, encoding=self.encoding, strict=self.strict, deadline=deadline, reporter=reporter
        )


def split(pairs: Pairs, *, seed: int) -> tuple[Pairs, Pairs]:
    """Training and held-out part, a random split by `seed`: pairs with equal sources (`data/held_out`) are in the same part.

    Raises InputError if nothing can be held out.
    """
    count = max(1, min(round(HELD_OUT * len(pairs)), MOST_HELD_OUT))
    chosen = held_out.by_group(held_out.keys_of_texts(pairs.source.blocks()), count, np.random.default_rng(seed))
    if not chosen.any():
        raise InputError(
            "only one sentence, so none can be held out", cure="give more data, or held-out data with --valid FILE"
        )
    return pairs.only(~chosen), pairs.only(chosen)


@dataclass(frozen=True)
class Encoded:
    """Pairs as tokens: row n of both batches is a pair."""

    source: TokenBatch
    target: TokenBatch

    def only(self, rows: np.ndarray) -> Encoded:
        """The selected texts. rows: bool [N]."""
        return Encoded(self.source.only(rows), self.target.only(rows))

    def at(self, rows: np.ndarray) -> Encoded:
        """The rows with these indices, int64 [b]."""
        return Encoded(self.source.at(rows), self.target.at(rows))

    def fit(self, *, longest: int, ratio: float) -> tuple[Encoded, dict[str, int]]:
        """The pairs of at most `longest` tokens per side, with a length ratio of at most `ratio` (plus 10 tokens), and the number of
        pairs left out for either reason."""
        a, b = self.source.lengths, self.target.lengths
        long = np.maximum(a, b) > longest
        unlike = ~long & (np.maximum(a, b) > ratio * np.minimum(a, b) + 10)
        kept = ~(long | unlike)
        return self.only(kept), {"long": int(long.sum()), "unlike": int(unlike.sum())}
