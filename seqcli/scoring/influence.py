"""The influence of each word on a label: the text is classified again without the word (leave one out; Li, Monroe and
Jurafsky 2016).

A text of n words is classified n times, n^2 words in all. Beyond `_MOST` characters in all consecutive words are left out together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqcli.text import WORD, one_line

_AT_ONCE = 1 << 20  # bytes of texts that lack a word
_MOST = 1 << 23  # characters of all texts that lack a word: about 1,200 words are left out one by one
_CERTAIN = 1e6  # nats: where all other labels are impossible


@dataclass(frozen=True)
class Influences:
    """changes: float64 [words], log-odds of the label (nats) with the word minus without it; positive values support
    the label. grouped: of a long text so many consecutive words are as one."""

    words: list[str]
    changes: np.ndarray
    best: int  # the label
    probability: float
    grouped: int = 1


def influences(
    logits: Callable[[bytes], np.ndarray], text: str, *, temperature: float = 1.0,
    probabilities: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Influences:  # fmt: skip
    """logits: of lines, float64 [B, C]; probabilities: what is reported for such logits, float64 [B, C], None for the softmax
    at the temperature."""
    spans = [match.span() for match in WORD.finditer(text)]
    grouped = max(1, -(-len(spans) * len(text) // _MOST))
    if grouped > 1:
        groups = [spans[begin : begin + grouped] for begin in range(0, len(spans), grouped)]
        spans = [(group[0][0], group[-1][1]) for group in groups]
    whole = _line(text)
    given = logits(whole)
    reported = given[0] if probabilities is None else probabilities(given)[0]
    best = int(reported.argmax())
    odds = _log_odds(given / temperature, best)[0]
    probability = 1 / (1 + np.exp(-odds)) if probabilities is None else reported[best]
    step = max(1, _AT_ONCE // max(len(whole), 1))
    parts = []
    for begin in range(0, len(spans), step):
        without = [_line(_without(text, start, end)) for start, end in spans[begin : begin + step]]
        parts.append(_log_odds(logits(b"".join(without)) / temperature, best))
    changes = odds - np.concatenate([np.zeros(0), *parts])
    return Influences([text[start:end] for start, end in spans], changes, best, float(probability), grouped)


def grouping(size: int) -> str:
    """What to say of a text whose words are left out in groups."""
    return f"the text is long: {size} consecutive words are left out together"


def _without(text: str, start: int, end: int) -> str:
    """The text without a word and the blanks before it."""
    return text[:start].rstrip(" ") + text[end:] if start else text[end:].lstrip(" ")


def _line(text: str) -> bytes:
    return one_line(text).encode() + b"\n"


def _log_odds(logits: np.ndarray, label: int) -> np.ndarray:
    """log p / (1 - p) of one label, float64 [B]: from the others' sum, as 1 - p has no digits where p is all but 1."""
    others = np.delete(logits, label, axis=1)
    likeliest = others.max(axis=1, initial=-_CERTAIN)
    with np.errstate(divide="ignore"):
        rest = likeliest + np.log(np.exp(others - likeliest[:, None]).sum(axis=1))
    return (logits[:, label] - rest).clip(-_CERTAIN, _CERTAIN)
