"""Typed results of language models and of their tokenizers: scores, orderings, choices, pairs, continuations, next tokens, pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seqcli.results import LOG, SHARE, WHOLE, Result, shown


@dataclass(frozen=True)
class SentenceScore(Result):
    """The score of a record. bits_per_byte: over its UTF-8 bytes including the line end; unknown: number of `<unk>`
    tokens."""

    log_prob: float = shown(LOG, "%.2f")
    perplexity: float = shown("%.4f", "%.4g")
    bits_per_byte: float = shown("%.4f", "%.3f")
    tokens: int = shown(WHOLE)
    unknown: int = shown(WHOLE)
    text: str = shown()


@dataclass(frozen=True)
class CorpusScore(Result):
    """The score of all records together. perplexity_known: over the tokens that are not `<unk>`."""

    model: str = shown()
    sentences: int = shown(WHOLE)
    tokens: int = shown(WHOLE)
    unknown: int = shown(WHOLE)
    log_prob: float = shown(LOG, "%.1f")
    perplexity: float = shown("%.4f", "%.2f")
    perplexity_known: float = shown("%.4f", "%.2f")
    bits_per_byte: float = shown("%.4f")
    bits_per_character: float = shown("%.4f")
    signature: str = shown()

    @classmethod
    def of(cls, model: str, totals: Any, *, signature: str, unit: float = 1.0) -> CorpusScore:
        """totals: a `metrics.perplexity.Totals`; unit: nats of the unit of log_prob."""
        return cls(
            model, totals.sentences, totals.tokens, totals.unknown, totals.log_prob / unit, totals.perplexity,
            totals.perplexity_known, totals.bits_per_byte, totals.bits_per_character, signature,
        )  # fmt: skip


@dataclass(frozen=True)
class TokenScore(Result):
    """The score of a token. order: length of the matched n-gram (n-gram models); rank: 1 for the most probable token."""

    line: int = shown(WHOLE)
    index: int = shown(WHOLE)
    token: str = shown()
    log_prob: float = shown(LOG, "%.4f")
    order: int | None = shown(WHOLE, default=None)
    rank: int | None = shown(WHOLE, default=None)


@dataclass(frozen=True)
class WordScore(Result):
    """The score of a word: the sum over its tokens."""

    line: int = shown(WHOLE)
    index: int = shown(WHOLE)
    word: str = shown()
    log_prob: float = shown(LOG, "%.4f")


@dataclass(frozen=True)
class Ordering(Result):
    """One of the most probable orderings of the words. share: of the total probability of all orderings, None where
    that is zero."""

    text: str
    log_prob: float
    share: float | None


@dataclass(frozen=True)
class ScrambleRank(Result):
    """The rank of a sentence among the orderings of its words. mass: its share of the total probability, None where
    that is zero; ties: number of equally probable orderings, which share the better rank; sampled: whether
    `orderings` is the size of a sample."""

    rank: int = shown(WHOLE)
    orderings: int = shown(WHOLE)
    mass: float | None = shown(SHARE)
    ties: int = shown(WHOLE)
    log_prob: float = shown(LOG, "%.2f")
    text: str = shown()
    sampled: bool = False
    best: list[Ordering] = field(default_factory=list)


@dataclass(frozen=True)
class Choice(Result):
    """One alternative of `My computer is very [slow|shirt]`. share: of the total probability of all alternatives,
    None where that is zero."""

    rank: int = shown(WHOLE)
    log_prob: float = shown(LOG, "%.2f")
    share: float | None = shown(SHARE, "%.4f")
    text: str = shown()


@dataclass(frozen=True)
class PairAccuracy(Result):
    """Accuracy on the minimal pairs of one tag: how often the good sentence is more probable; ci_low, ci_high:
    Wilson's 95 % interval."""

    tag: str = shown()
    pairs: int = shown(WHOLE)
    correct: int = shown(WHOLE)
    ties: int = shown(WHOLE)
    accuracy: float = shown("%.4f", "%.3f")
    ci_low: float = shown("%.4f", "%.3f")
    ci_high: float = shown("%.4f", "%.3f")


@dataclass(frozen=True)
class Continuation(Result):
    """A text that continues a prompt. finish_reason: "end" (`</s>`), "stop" or "length"."""

    prompt: str
    text: str = shown()
    log_prob: float = shown(LOG)
    tokens: int = shown(WHOLE)
    finish_reason: str = shown()


@dataclass(frozen=True)
class NextToken(Result):
    """One of the most probable tokens at a place, such as the end of a prompt."""

    token: str = shown()
    probability: float = shown(SHARE, "%.4f")


@dataclass(frozen=True)
class Filling(Result):
    """What a masked model expects at each `[MASK]` of a text, most probable first."""

    text: str
    masks: list[list[NextToken]]


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
