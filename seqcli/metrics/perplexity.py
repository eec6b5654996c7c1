"""Sums of log-probabilities, and the figures that are made of them.

Two models compare only where they predict the same thing. Perplexity per token depends on the tokenizer; bits per
byte do not: -log2 p of the text over its UTF-8 bytes, one more for each line end, which `</s>` predicts. An unknown
word breaks even that, since `<unk>` is cheaper than any word it hides; so unknown tokens are counted beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from seqcli.text import UNK_ID


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a corpus under one model; `+` adds corpora. log_prob: natural."""

    sentences: int = 0
    tokens: int = 0
    unknown: int = 0
    log_prob: float = 0.0
    log_prob_known: float = 0.0  # of the tokens that are not `<unk>`; no difference, as log_prob may be -inf
    bytes: int = 0
    characters: int = 0

    @classmethod
    def of(cls, tokens: np.ndarray, log_prob: np.ndarray, **sizes: int) -> Totals:
        """Of tokens, int32 [P], and the log-probability of each, float32 [P]. sizes: the fields that tokens do not tell."""
        unknown = tokens == UNK_ID
        return cls(
            tokens=len(tokens),
            unknown=int(unknown.sum()),
            log_prob=float(log_prob.sum(dtype=np.float64)),
            log_prob_known=float(log_prob[~unknown].sum(dtype=np.float64)),
            **sizes,
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, name) + getattr(other, name) for name in Totals.__slots__))

    @property
    def perplexity(self) -> float:
        return perplexity(self.log_prob, self.tokens)

    @property
    def perplexity_known(self) -> float:
        """Over the tokens that are not `<unk>` (KenLM: "excluding OOVs")."""
        return perplexity(self.log_prob_known, self.tokens - self.unknown)

    @property
    def bits_per_byte(self) -> float:
        return (0 - self.log_prob) / math.log(2) / self.bytes if self.bytes else math.nan

    @property
    def bits_per_character(self) -> float:
        return (0 - self.log_prob) / math.log(2) / self.characters if self.characters else math.nan


def perplexity(log_prob: float, tokens: int) -> float:
    """exp of the mean surprisal: two tokens of p = 1/4 each give 4."""
    if not tokens:
        return math.nan
    try:
        return math.exp(-log_prob / tokens)
    except OverflowError:
        return math.inf


def line_bytes(lines: bytes) -> np.ndarray:
    """UTF-8 bytes of every line, its line end counted: int64 [B]."""
    return np.diff(np.flatnonzero(np.frombuffer(lines, np.uint8) == 0x0A), prepend=-1)


def characters(lines: bytes) -> int:
    """Code points of all lines, line ends counted: bytes that do not continue another (10xxxxxx)."""
    if lines.isascii():
        return len(lines)
    return int(np.count_nonzero((np.frombuffer(lines, np.uint8) & 0xC0) != 0x80))
