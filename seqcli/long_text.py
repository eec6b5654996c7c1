"""A long text in parts: tokenized window by window, and the best combinations of what was found for each part.

Windows are for tokenizers whose memory grows by hundreds of bytes per character. They overlap. Two of them are joined where a token
begins in both, near the middle of the overlap: what the tokens before it and after it are hardly depends on text that is as far away as
the windows' ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
Token = tuple[str, int, int, int]  # piece, id, and the characters `[start, end)` of the text that it stands for


def windowed(encode: Callable[[str], list[Token]], text: str, *, window: int, overlap: int) -> Iterator[Token]:
    """The tokens of `text`, by `encode` on at most `window` characters at a time, with their places in all of it.

    A window grows where no token begins in both: inside a token, or white space without any, that is as long as the overlap.
    """

    def tokens_from(start: int, size: int) -> list[Token]:
        return [(piece, id, start + a, start + b) for piece, id, a, b in encode(text[start : start + size])]

    start, resume, size = 0, 0, window
    tokens = tokens_from(start, size)
    while start + size < len(text):
        first: dict[int, int] = {}  # at each place, the first token that begins there
        for index, (_, _, place, _) in enumerate(tokens):
            first.setdefault(place, index)
        end = start + size
        begin = next((place for place in first if place >= end - overlap), end - overlap)
        following = tokens_from(begin, window)
        common = {place for _, _, place, _ in following if max(begin, resume) < place < end} & first.keys()
        if not common:
            size += window
            tokens = tokens_from(start, size)
            continue
        cut = min(common, key=lambda place: abs(2 * place - begin - end))
        yield from (token for token in tokens[: first[cut]] if token[2] >= resume)
        start, resume, size, tokens = begin, cut, window, following
    yield from (token for token in tokens if token[2] >= resume)


def best_combinations(lists: Sequence[Sequence[tuple[float, T]]], *, n: int) -> list[tuple[float, tuple[T, ...]]]:
    """The n best choices of one entry from each list, best first, with their scores: the sums of those of the
    entries. lists: of scored entries, best first.

    The i-th best choice from the lists so far goes with the j-th entry of the next only if i * j <= n (both from 1): so many
    pairs are at least as good. Of [(-1, "a"), (-3, "b")] and [(0, "c"), (-1, "d")] the two best are a c and a d.
    """
    chosen: list[tuple[float, tuple[T, ...]]] = [(0.0, ())]
    for entries in lists:
        pairs = [
            (score + own, (*choice, entry))
            for i, (score, choice) in enumerate(chosen[:n], 1)
            for own, entry in entries[: n // i]
        ]
        chosen = sorted(pairs, key=lambda pair: -pair[0])[:n]
    return chosen
