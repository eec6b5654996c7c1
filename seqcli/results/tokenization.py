"""Pieces, vocabularies and statistics of tokenizers."""

from __future__ import annotations

from dataclasses import dataclass

from seqcli.results.result import WHOLE, Result, shown


@dataclass(frozen=True)
class Piece(Result):
    """A token and the code points [start, end) of the text that it stands for."""

    piece: str
    id: int
    start: int
    end: int


@dataclass(frozen=True)
class VocabularyEntry(Result):
    """A piece that a tokenizer knows."""

    id: int = shown(WHOLE)
    piece: str = shown()


@dataclass(frozen=True)
class TokenizerStatistics(Result):
    """How a tokenizer splits some records. round_trip_failures: records that decoding does not give back."""

    model: str = shown()
    vocab_size: int = shown(WHOLE)
    records: int = shown(WHOLE)
    tokens: int = shown(WHOLE)
    bytes_per_token: float | None = shown("%.4f")
    tokens_per_word: float | None = shown("%.4f")
    unknown_rate: float | None = shown("%.6f")
    round_trip_failures: int = shown(WHOLE)
