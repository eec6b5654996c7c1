"""Ranks a sentence among the orderings of its words: all distinct ones, or a seeded sample of them."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from seqcli.interfaces import OpenScorer
from seqcli.results.language import Ordering, ScrambleRank
from seqcli.scoring.sentences import margin, score_texts, shares, tied
from seqcli.text import WORD

LARGEST_COMPLETE = 7  # words; 7! = 5040


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


def are_sampled(words: Sequence[str], *, sample: int) -> bool:
    """Whether there are too many to take all: more than 7 words, and more distinct orderings than `sample`.

    n words have n! over the factorials of how often each occurs: "the cat saw the dog" has 60.
    """
    log_number = math.lgamma(len(words) + 1) - sum(math.lgamma(n + 1) for n in Counter(words).values())
    return len(words) > LARGEST_COMPLETE and log_number > math.log(sample) + 1e-9


def orderings(words: Sequence[str], *, sample: int, seed: int) -> Iterator[tuple[str, ...]]:
    """Distinct orderings, the given one first: all of them, or `sample` of them, the given one included."""
    given = tuple(words)
    yield given
    if not are_sampled(words, sample=sample):
        yield from (other for other in _all(words) if other != given)
        return
    codes = np.unique(words, return_inverse=True)[1]  # equal words have the same code
    rng = np.random.default_rng([seed, zlib.crc32(" ".join(words).encode("utf-8", "replace"))])
    seen = {codes.tobytes()}
    while len(seen) < sample:
        order = rng.permutation(len(words))
        key = codes[order].tobytes()
        if key not in seen:
            seen.add(key)
            yield tuple(words[i] for i in order)


def _all(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each ordering of a multiset once, in alphabetical order (Knuth, TAOCP 7.2.1.2, algorithm L)."""
    a = sorted(words)
    while True:
        yield tuple(a)
        j = len(a) - 2
        while j >= 0 and a[j] >= a[j + 1]:
            j -= 1
        if j < 0:
            return
        k = len(a) - 1
        while a[j] >= a[k]:
            k -= 1
        a[j], a[k] = a[k], a[j]
        a[j + 1 :] = reversed(a[j + 1 :])
