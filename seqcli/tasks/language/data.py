"""Text for language models: files, a trained or existing tokenizer, and the corpus as one stream of tokens."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from seqcli import catalog, ranges
from seqcli.data import held_out, lines, records
from seqcli.data.labelled import PREFIX
from seqcli.data.lines import Block
from seqcli.data.paths import expanded, is_hub
from seqcli.data.record_reader import RecordReader, lines_of
from seqcli.errors import InputError, listed
from seqcli.interfaces import SILENT, Reporter, Tokenizer
from seqcli.metrics import unigram
from seqcli.system.clock import Deadline
from seqcli.system.workers import ordered_map
from seqcli.tasks.tokenizer_choice import SYMBOLS, TokenizerChoice, learned_vocabulary, listed_words, tokenizer_for
from seqcli.text import BOS_ID
from seqcli.token_batch import TokenBatch, count_rows, pieces, rows_of
from seqcli.tokenizers import words

UNITS = ("line", "document")
HELD_OUT, MOST_HELD_OUT = (
    0.05,
    1_000_000,
)  # share of the rows, and approximate maximum number of tokens, if no validation text is given


@dataclass(frozen=True)
class Corpus:
    """Files of text and how to read them. paths: files; folders and patterns are replaced by the files they match."""

    paths: tuple[str, ...]
    unit: str = "line"
    text_column: str | None = None
    format: str | None = None
    encoding: str | None = None
    strict: bool = False

    def __post_init__(self):
        ranges.chosen("unit", self.unit, UNITS)
        object.__setattr__(self, "paths", expanded(self.paths))  # folders and patterns

    def files(self, reporter: Reporter = SILENT, *, deadline: Deadline | None = None) -> Iterator[Iterator[Block]]:
        """The blocks of each file, until the deadline, with notes on malformed text."""
        deadline = deadline or Deadline()
        for path in self.paths:
            yield lines.noting(deadline.within(self.blocks(path, reporter)), path, reporter)
            if deadline.passed:
                return

    def blocks(self, path: str, reporter: Reporter = SILENT) -> Iterator[Block]:
        """The records of a file; blank rows at the end of a table are left out, with a note."""
        table = records.has_columns(path, self.format)
        left_out: list[int] = []
        blocks = records.read_blocks(
            path,
            column=self.text_column if table else None,
            format=self.format,
            encoding=self.encoding,
            strict=self.strict,
            blank_end=left_out.append,
        )
        if not table:
            yield from _noting_labels(blocks, path, reporter)
            return
        yield from lines.without_blank_end(blocks, left_out.append)
        lines.note_blank_end(sum(left_out), path, reporter)

    def all_lines(self, reporter: Reporter = SILENT) -> Iterator[bytes]:
        """The lines of every file, block by block."""
        for blocks in self.files(reporter):
            for block in blocks:
                yield self.lines_of(block)[0]

    def lines_of(self, block: Block) -> tuple[bytes, np.ndarray | None]:
        """The lines of a block, and the number of lines of each row, as in `record_reader.lines_of`."""
        if self.unit == "document" and not block.apart:
            return block.data, np.array([len(block)], np.int64)
        return lines_of(block, self.unit)

    def read_once(self) -> str | None:
        """A path that can be read only once, if there is one."""
        return next((path for path in self.paths if not (os.path.isfile(path) or is_hub(path))), None)

    def size(self) -> int | None:
        """The size of all files in bytes, None if one has no size (standard input)."""
        return sum(map(os.path.getsize, self.paths)) if all(map(os.path.isfile, self.paths)) else None


def _noting_labels(blocks: Iterator[Block], path: str, reporter: Reporter) -> Iterator[Block]:
    """The blocks, with a note on a file that begins with a label, as for fastText."""
    first = next(blocks, None)
    if first is None:
        return
    if first.data.lstrip().startswith(PREFIX.encode()):
        reporter.note(
            f"{lines.shown(path)}: {PREFIX} and the label after it are read as words of the text; seqcli train classifier reads them as labels"
        )
    yield first
    yield from blocks


@dataclass
class Reading:
    """A corpus as tokens: `stream` int32 [T] with `<s>` before each row."""

    tokenizer: Tokenizer
    stream: np.ndarray
    rows: int


def read(
    corpus: Corpus, choice: TokenizerChoice, *, folder: Path, threads: int | None, reporter: Reporter,
    deadline: Deadline | None = None,
) -> Reading:  # fmt: skip
    """The tokenizer, trained or existing, and the tokens of the corpus, as far as it can be read until the deadline.

    Blocks are encoded on all cores and written to a file, so memory holds a few blocks (and the vocabulary).
    """
    deadline = deadline or Deadline()
    if choice.name == "words" and choice.opened is None:
        return _read_words(corpus, choice, folder=folder, threads=threads, reporter=reporter, deadline=deadline)
    if choice.opened is None and choice.name in catalog.trained_tokenizers() and (once := corpus.read_once()):
        cure = "save it to a file, or use an existing tokenizer with --tokenizer DIR"
        raise InputError(
            "a pipe can be read only once, but training a tokenizer reads the text twice", where=once, cure=cure
        )
    tokenizer = tokenizer_for(corpus, choice, encoding=corpus.encoding, reporter=reporter)
    store, done, symbols, size = _Rows(folder), 0, 0, corpus.size()
    reader = RecordReader.for_unit(tokenizer, corpus.unit, learning=True)

    def encoded(block: Block) -> tuple[int, TokenBatch, bool, int]:
        """The size of a block, its rows, whether the last row continues in the next block, and the number of literal special tokens."""
        goes_on = corpus.unit == "document" and not block.apart
        batch = tokenizer.encode(block.data, unit="document", learning=True) if goes_on else reader.rows(block)
        return len(block.data), batch, goes_on, words.written(block.data) if tokenizer.KIND == words.KIND else 0

    for blocks in corpus.files(reporter, deadline=deadline):
        store.next_file()
        for block_size, batch, goes_on, written in ordered_map(encoded, blocks, workers=threads):
            store.append(batch, goes_on=goes_on)
            done, symbols = done + block_size, symbols + written
            reporter.progress("tokenizing", done, size)
    if deadline.passed:
        _note_left_out(done, reporter)
    if symbols:
        reporter.note(SYMBOLS.format(symbols))
    return Reading(tokenizer, store.array(), store.rows)


def _note_left_out(done: int, reporter: Reporter) -> None:
    reporter.note(
        f"training on the first {done / 1e6:,.1f} MB of text, all that could be read in a quarter of --minutes; use more --minutes to read more"
    )


def check_enough(reading: Reading, corpus: Corpus, *, judged_on_others: bool) -> None:
    """Raises InputError if there is no text, or only one line and no other text to evaluate on."""
    where, vocab_size = listed(corpus.paths), reading.tokenizer.vocab_size
    seen = np.flatnonzero(unigram.counts(reading.stream, vocab_size))
    if not reading.tokenizer.decode(seen.tolist()).strip():
        what = "no text to train on: all lines are blank" if reading.rows else "no text to train on"
        raise InputError(what, where=where, cure="give a file with lines of text")
    _, lengths = rows_of(reading.stream)
    filled = int((lengths > 1).sum())  # more than `</s>`
    if corpus.unit == "line" and filled == 1 and not judged_on_others:
        cure = "give more lines, or use --unit document if it is running text"
        raise InputError("only one line of text, too little to train on", where=where, cure=cure)


def split(stream: np.ndarray, *, unit: str, seed: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out part: a random choice of rows by `seed`, or the end of running text. The training rows are written to a
    file in `folder`, which may be larger than memory.

    Equal rows are in the same part: if a corpus repeats its lines, the evaluation would otherwise measure memorisation. Raises
    InputError if nothing can be held out.
    """
    cure = "give more data, or held-out data with --valid FILE"
    if unit == "document":
        if len(stream) - count_rows(stream) < 2:
            raise InputError("only one token of text, so none can be held out", cure=cure)
        cut = max(2, int(len(stream) * (1 - HELD_OUT)), len(stream) - MOST_HELD_OUT)
        cut -= int(stream[cut - 1] == BOS_ID)  # a document that begins here is held out completely
        begun = [] if stream[cut] == BOS_ID else [BOS_ID]
        return stream[:cut], np.concatenate([begun, stream[cut:]]).astype(np.int32)
    keys = held_out.keys_of_rows(stream)
    count = max(1, min(round(HELD_OUT * len(keys)), round(MOST_HELD_OUT * len(keys) / len(stream))))
    chosen = held_out.by_group(keys, count, np.random.default_rng(seed))
    if not chosen.any():
        raise InputError("all lines are equal, so none can be held out", cure=cure)
    kept, others, row = TokenStore(folder), [], -1
    for _, part in pieces(stream):
        rows = np.cumsum(part == BOS_ID) + row
        row = int(rows[-1])
        kept.append(part[~chosen[rows]])
        others.append(part[chosen[rows]])
    return kept.array(), np.concatenate(others)


def _read_words(corpus: Corpus, choice: TokenizerChoice, *, folder, threads, reporter, deadline: Deadline) -> Reading:
    """Reads the text in one pass: for every block its distinct words and indices into them."""
    only = listed_words(choice.limit) if choice.limit else None  # read first, since the file may be missing
    learner, spool = words.Learner(), Spool(folder)
    done, size = 0, corpus.size()
    for number, blocks in enumerate(corpus.files(reporter, deadline=deadline)):
        for block_size, distinct, row_lines, apart in ordered_map(
            partial(_distinct_words, corpus), blocks, workers=threads
        ):
            learner.add(distinct)
            spool.add(distinct.hashes, distinct.index, distinct.line_words, row_lines, np.array([number, apart]))
            done += block_size
            reporter.progress("reading", done, size)
    if deadline.passed:
        _note_left_out(done, reporter)
    tokenizer, notes = learned_vocabulary(learner, choice, only=only)
    for note in notes:
        reporter.note(note)
    store, file = _Rows(folder), -1
    for hashes, index, line_words, row_lines, (number, apart) in spool:
        if number != file:
            store.next_file()
            file = number
        batch = TokenBatch.with_line_ends(tokenizer.ids_of(hashes)[index], line_words).grouped(row_lines)
        store.append(batch, goes_on=corpus.unit == "document" and not apart)
    return Reading(tokenizer, store.array(), store.rows)


def _distinct_words(corpus: Corpus, block: Block):
    """The size of a block, its words, the number of lines of each row (empty: 1 each), and whether its records are separate."""
    text, row_lines = corpus.lines_of(block)
    text = words.Words.normalisation.lines(text)
    return len(text), words.Distinct(text), np.zeros(0, np.int64) if row_lines is None else row_lines, block.apart


class Spool:
    """Arrays stored on disk, in an unnamed temporary file (what fits in memory stays in the page cache and costs only a copy): a sequence
    of groups of arrays: `add(a, b)`, then `for a, b in spool`."""

    def __init__(self, folder: Path):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the object lives
        self._groups = 0
        self._size = 0

    def add(self, *arrays: np.ndarray) -> None:
        self._size = len(arrays)
        for array in arrays:
            np.save(self._file, array, allow_pickle=False)
        self._groups += 1

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        self._file.seek(0)
        for _ in range(self._groups):
            yield tuple(np.load(self._file, allow_pickle=False) for _ in range(self._size))


class TokenStore:
    """The tokens of a corpus: appended piece by piece, then memory-mapped as one int32 array [T]."""

    def __init__(self, folder: Path):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the object lives
        self._count = 0

    def append(self, tokens: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(tokens, np.int32).data)
        self._count += len(tokens)

    def array(self) -> np.ndarray:
        self._file.flush()
        if not self._count:
            return np.zeros(0, np.int32)
        return np.memmap(self._file, dtype=np.int32, mode="r", shape=(self._count,))


class _Rows:
    """Rows of tokens as one stream with `<s>` before each, or before the first batch of a document that spans several."""

    def __init__(self, folder: Path):
        self._store, self._open = TokenStore(folder), False
        self.rows = 0

    def next_file(self) -> None:
        """Starts a new file, since documents do not span files."""
        self._open = False

    def append(self, batch: TokenBatch, *, goes_on: bool = False) -> None:
        """goes_on: the batch is one row, which the next batch may continue."""
        stream, _ = batch.with_starts()
        self._store.append(stream[1:] if self._open else stream)
        self.rows += len(batch.lengths) - self._open
        self._open = goes_on

    def array(self) -> np.ndarray:
        return self._store.array()
