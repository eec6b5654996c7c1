"""The orderings of a sentence's words: all distinct ones, or a seeded sample of them."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence

LARGEST_COMPLETE = 7  # words; 7! = 5040


def number_of(words: Sequence[str]) -> int:
    """Distinct orderings: n! over the factorials of how often each word occurs. "the cat saw the dog": 60."""
    total = math.factorial(len(words))
    for count in Counter(words).values():
        total //= math.factorial(count)
    return total


def orderings(words: Sequence[str], *, sample: int, seed: int) -> tuple[list[tuple[str, ...]], bool]:
    """Distinct orderings with the given one first, and whether they are a sample.

    All of them up to 7 words or where `sample` would hold them all; else `sample` of them, the given one included.
    """
    given = tuple(words)
    if len(words) <= LARGEST_COMPLETE or number_of(words) <= sample:
        return [given, *(other for other in _all(sorted(Counter(words).items()), len(words)) if other != given)], False
    rng = random.Random(f"{seed} {' '.join(words)}")
    seen = {given: None}
    shuffled = list(words)
    while len(seen) < sample:
        rng.shuffle(shuffled)
        seen.setdefault(tuple(shuffled))
    return list(seen), True


def _all(counts: list[tuple[str, int]], length: int) -> Iterator[tuple[str, ...]]:
    """Each ordering of a multiset once, in alphabetical order."""
    if not length:
        yield ()
        return
    for index, (word, count) in enumerate(counts):
        if count:
            rest = [*counts[:index], (word, count - 1), *counts[index + 1 :]]
            for tail in _all(rest, length - 1):
                yield (word, *tail)
