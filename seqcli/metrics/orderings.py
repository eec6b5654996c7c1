"""The orderings of a sentence's words: all distinct ones, or a seeded sample of them."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

LARGEST_COMPLETE = 7  # words; 7! = 5040


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
    codes = np.unique(words, return_inverse=True)[1]  # equal words are not told apart
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
