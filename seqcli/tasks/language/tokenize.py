"""Other functions of `seqcli tokenize`: alternative segmentations, statistics, and decoding of ids."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from seqcli.data.lines import Block
from seqcli.data.record_reader import RecordReader
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import Renumbered, Tokenizer
from seqcli.results import language as results
from seqcli.results.language import TokenizerStatistics
from seqcli.text import WORD, one_line
from seqcli.token_batch import TokenBatch


class Segmenter:
    """The segmentations of a text by a tokenizer that assigns them probabilities: unigram SentencePiece."""

    def __init__(self, reader: RecordReader, *, where: str | None = None):
        """where: the path of the tokenizer, for errors. Raises UsageError for a tokenizer with one segmentation per text."""
        self._reader, self._tokenizer = reader, _with_segmentations(reader.tokenizer, where)

    def n_best(self, text: str, *, k: int) -> list[tuple[Sequence[int], float]]:
        """Token ids and log-probability of the k most probable segmentations, best first."""
        return self._reader.n_best(text, partial(self._tokenizer.nbest, k=k), k=k)

    def sample(self, text: str, *, alpha: float, seed: int, line: int) -> Sequence[int]:
        """Token ids of a segmentation sampled with probability proportional to p^alpha. line: the number of the text, which has its
        own random numbers."""

        def segment(text: str, part: int) -> Sequence[int]:
            return self._tokenizer.sample(text, alpha=alpha, seed=f"{seed} {line} {part}" if part else f"{seed} {line}")

        return self._reader.segmented(text, segment)


def _with_segmentations(tokenizer: Any, where: str | None) -> Any:
    if not hasattr(tokenizer, "nbest"):
        what = f"the {tokenizer.KIND} tokenizer has no alternative segmentations"
        raise UsageError(what, where=where, cure="use a unigram sentencepiece model")
    return tokenizer


def ids_of(reader: RecordReader, block: Block) -> list[np.ndarray]:
    """The token ids of every record as users see them, int each, without the token that ends it."""
    batch = reader.rows(block, whole=False)
    return TokenBatch(shown_ids(reader, batch.tokens), batch.lengths).rows


def shown_ids(reader: RecordReader, ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """The ids that users see: those of the tokenizer's file."""
    return reader.tokenizer.file_ids[ids] if isinstance(reader.tokenizer, Renumbered) else np.asarray(ids)


def shown_pieces(reader: RecordReader, record: str) -> Iterator[results.Piece]:
    """The tokens of a record with the ids that users see, and their offsets."""
    for piece in reader.pieces(record):
        yield results.Piece(piece.text, int(shown_ids(reader, [piece.id])[0]), piece.start, piece.end)


def shown_vocabulary(tokenizer: Tokenizer) -> tuple[Sequence[int], list[str]]:
    """The ids that users see, and their pieces."""
    if isinstance(tokenizer, Renumbered):
        found = tokenizer.file_vocabulary()
        return list(found), list(found.values())
    names = tokenizer.vocabulary()
    return range(len(names)), names


class Decoder:
    """The texts of token ids as users see them."""

    def __init__(self, reader: RecordReader):
        self._reader, tokenizer = reader, reader.tokenizer
        self._ours: dict[int, int] | None = None
        if isinstance(tokenizer, Renumbered):
            self._ours = {id: number for number, id in enumerate(tokenizer.file_ids.tolist()) if id >= 0}

    def text(self, ids: Iterable[int | str], *, where: str | None = None) -> str:
        """The text of ids, given as numbers or decimal digits. Raises InputError for an invalid id."""
        if self._ours is None:
            return self._reader.decode(checked_ids(ids, size=self._reader.tokenizer.vocab_size, where=where))
        ids = checked_ids(ids, size=max(self._ours) + 1, where=where, known=self._ours)
        return text_of(self._reader, [self._ours[id] for id in ids])


def text_of(reader: RecordReader, ids: Sequence[int]) -> str:
    """The text of our ids; for a tokenizer of another tool including the special tokens in the text."""
    if isinstance(reader.tokenizer, Renumbered) and (reader.unit == "line" or not reader.line_ends):
        return reader.tokenizer.text_of(ids)
    return reader.decode(ids)


def rows_of(reader: RecordReader, block: Block) -> Iterator[np.ndarray]:
    """The token ids of every record, int32 each, without the token that ends it."""
    return iter(reader.rows(block, whole=False).rows)


def checked_ids(
    ids: Iterable[int | str], *, size: int, where: str | None = None, known: Container[int] | None = None
) -> Iterator[int]:
    """Token ids, given as numbers or decimal digits, as numbers. size: ids are below it; known: the existing ids, None for all.
    Raises InputError for an invalid id."""
    for given in ids:
        text = str(given)
        if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) < size) or (
            known is not None and int(text) not in known
        ):
            raise InputError(f"not a token id: {given!r}", where=where, cure=f"ids are 0 to {size - 1}")
        yield int(text)


@dataclass
class Tally:
    """Sums over records, without the tokens that end them."""

    records: int = 0
    bytes: int = 0
    words: int = 0
    tokens: int = 0
    unknown: int = 0
    failures: int = 0  # records that are not restored by decoding

    def add(self, reader: RecordReader, block: Block) -> None:
        tokenizer = reader.tokenizer
        for record, row in zip(block.records(), rows_of(reader, block), strict=True):
            text = tokenizer.normalisation.text(record if reader.unit == "document" else one_line(record))
            self.records += 1
            self.bytes += len(text.encode())
            self.words += sum(1 for _ in WORD.finditer(text))
            self.tokens += len(row)
            self.unknown += int((row == tokenizer.specials[0]).sum())
            expected = reader.join(piece.text for piece in reader.pieces(record)) if tokenizer.KIND == "words" else text
            self.failures += text_of(reader, row.tolist()) != expected

    def statistics(self, reader: RecordReader, *, name: str) -> TokenizerStatistics:
        return TokenizerStatistics(
            name,
            len(shown_vocabulary(reader.tokenizer)[0]),
            self.records,
            self.tokens,
            _ratio(self.bytes, self.tokens),
            _ratio(self.tokens, self.words),
            _ratio(self.unknown, self.tokens),
            self.failures,
        )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
