"""One sentence against others: its scrambled orderings, the fillings of its choices."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqcli.interfaces import OpenModel
from seqcli.metrics.fillings import fillings
from seqcli.metrics.orderings import orderings
from seqcli.scoring.sentences import score_texts

TIE = 1e-6  # nats: sums of the same float32 numbers in another order differ by less


class Scramble(NamedTuple):
    """Where a sentence stands among its orderings. `mass`: p(text) over the sum of all of them; ties share the better rank."""

    text: str
    log_prob: float
    rank: int
    orderings: int
    sampled: bool
    ties: int
    mass: float
    best: list[tuple[str, float]]
    best_shares: list[float]


def scramble(opened: OpenModel, text: str, *, sample: int, seed: int, best: int = 5) -> Scramble:
    words = text.split()
    others, sampled = orderings(words, sample=sample, seed=seed)
    texts = [" ".join(other) for other in others]
    log_prob = score_texts(opened, texts)
    own = float(log_prob[0])
    top = np.argsort(-log_prob, kind="stable")[:best]
    share = shares(log_prob)
    return Scramble(
        text,
        own,
        1 + int((log_prob > own + TIE).sum()),
        len(texts),
        sampled,
        int((np.abs(log_prob[1:] - own) <= TIE).sum()),
        float(share[0]),
        [(texts[i], float(log_prob[i])) for i in top],
        share[top].tolist(),
    )


class Choice(NamedTuple):
    """A filling of a sentence's choices. `share`: its p over the sum of all fillings."""

    rank: int
    log_prob: float
    share: float
    text: str


def choices(opened: OpenModel, template: str) -> list[Choice]:
    """The fillings of `My computer is very [slow|shirt]`, best first; ties share the better rank."""
    texts = fillings(template)
    log_prob = score_texts(opened, texts)
    share = shares(log_prob)
    return [
        Choice(1 + int((log_prob > log_prob[i] + TIE).sum()), float(log_prob[i]), float(share[i]), texts[i])
        for i in np.argsort(-log_prob, kind="stable")
    ]


def shares(log_prob: np.ndarray) -> np.ndarray:
    """p over the sum of p. All impossible: equal shares."""
    top = float(log_prob.max())
    if math.isinf(top):
        return np.full(len(log_prob), 1 / len(log_prob))
    p = np.exp(log_prob - top)
    return p / p.sum()
