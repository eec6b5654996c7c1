"""Ranks a sentence among its scrambled orderings, and compares the alternatives of a choice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqcli.interfaces import OpenScorer
from seqcli.metrics.fillings import fillings
from seqcli.metrics.minimal_pairs import margin, tied
from seqcli.metrics.orderings import are_sampled, orderings
from seqcli.results.language import Choice, Ordering, ScrambleRank
from seqcli.scoring.sentences import score_texts
from seqcli.text import WORD


def scramble(opened: OpenScorer, text: str, *, sample: int, seed: int, best: int = 5) -> ScrambleRank:
    """Ranks the words of `text`, joined by single blanks, among their orderings."""
    words = WORD.findall(text)
    log_probs, top = [], []
    for texts in _groups(map(" ".join, orderings(words, sample=sample, seed=seed))):
        log_prob = score_texts(opened, texts)
        log_probs.append(log_prob)
        top += [(texts[i], float(log_prob[i])) for i in np.argsort(-log_prob, kind="stable")[:best]]
        top = sorted(top, key=lambda entry: -entry[1])[:best]
    log_prob = np.concatenate(log_probs)
    own = float(log_prob[0])
    share = shares(log_prob)
    total = np.exp(log_prob - log_prob.max()).sum() if share is not None else 0.0
    return ScrambleRank(
        text=" ".join(words),
        log_prob=own,
        rank=1 + int((log_prob > own + margin(own)).sum()),
        orderings=len(log_prob),
        sampled=are_sampled(words, sample=sample),
        ties=int(tied(log_prob[1:], own).sum()),
        mass=None if share is None else float(share[0]),
        best=[
            Ordering(text, value, None if share is None else float(np.exp(value - log_prob.max()) / total))
            for text, value in top
        ],
    )


def _groups(texts: Iterator[str]) -> Iterator[list[str]]:
    """About a megabyte of texts at a time."""
    group, size = [], 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= 1 << 20:
            yield group
            group, size = [], 0
    if group:
        yield group


def choices(opened: OpenScorer, template: str) -> list[Choice]:
    """The alternatives of `My computer is very [slow|shirt]`, best first; ties share the better rank."""
    texts = fillings(template)
    log_prob = score_texts(opened, texts)
    share = shares(log_prob)
    ranks = 1 + np.searchsorted(np.sort(-log_prob), -log_prob - margin(log_prob))
    return [
        Choice(int(ranks[i]), float(log_prob[i]), None if share is None else float(share[i]), texts[i])
        for i in np.argsort(-log_prob, kind="stable")
    ]


def shares(log_prob: np.ndarray) -> np.ndarray | None:
    """p over the sum of p; None where all are impossible."""
    top = log_prob.max()
    if top == -np.inf:
        return None
    p = np.exp(log_prob - top)
    return p / p.sum()
