"""A long text tokenized window by window, for tokenizers whose memory grows by hundreds of bytes per character.

Windows overlap. Two of them are joined where a token begins in both, near the middle of the overlap: what the tokens before
it and after it are hardly depends on text that is as far away as the windows' ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
