"""What each word adds to a label: the text is asked again without it (leave one out; Li, Monroe and Jurafsky 2016)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqcli.text import WORD

_AT_ONCE = 1 << 20  # bytes of texts that lack a word


@dataclass(frozen=True)
class Influences:
    """changes: float64 [words], log-odds of the label (nats) with the word minus without it; positive speaks for the label."""

    words: list[str]
    changes: np.ndarray
    best: int  # the label
    probability: float

    def best_and_share(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([self.best]), np.array([self.probability])


def influences(logits: Callable[[bytes], np.ndarray], text: str, *, temperature: float = 1.0) -> Influences:
    """logits: of lines, float64 [B, C]."""
    spans = [match.span() for match in WORD.finditer(text)]
    whole = _line(text)
    odds = _log_odds(logits(whole) / temperature)[0]
    best = int(odds.argmax())
    step = max(1, _AT_ONCE // max(len(whole), 1))
    parts = []
    for begin in range(0, len(spans), step):
        without = [_line(text[:start] + text[end:].lstrip(" ") if not start else text[:start].rstrip(" ") + text[end:]) for start, end in spans[begin : begin + step]]
        parts.append(_log_odds(logits(b"".join(without)) / temperature)[:, best])
    changes = odds[best] - np.concatenate([np.zeros(0), *parts])
    return Influences([text[start:end] for start, end in spans], changes, best, float(1 / (1 + np.exp(-odds[best]))))


def _line(text: str) -> bytes:
    from seqcli.text import nfc

    return nfc(text.replace("\n", " ")).encode() + b"\n"


def _log_odds(logits: np.ndarray) -> np.ndarray:
    """log p / (1 - p) of every label, float64 [B, C], exact where p is all but 1."""
    best = logits.max(axis=1, keepdims=True)
    shares = np.exp(logits - best)
    others = shares.sum(axis=1, keepdims=True) - shares
    if logits.shape[1] == 2:
        return logits - logits[:, ::-1]
    with np.errstate(divide="ignore"):
        return logits - best - np.log(np.maximum(others, np.finfo(float).tiny))
