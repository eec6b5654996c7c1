"""Splits a source that is too long for a translator: after a sentence, else between words, else between characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_ENDS = ".!?…。！？"
_CLOSING = " \t\"'”’»)]』」"  # characters that may follow the mark at the end of a sentence
_NEAR = 8  # number of characters before a cut that are searched for that mark


def windows(text: str, starts: Sequence[int], *, most: int) -> Iterator[tuple[int, int]]:
    """The tokens [begin, end) of each window, none of more than `most` tokens and none blank.

    starts: offset in `text` of each token. A window ends in the second half of its maximum length, at the last of the best cuts.
    """
    begin = 0
    while begin < len(starts):
        end = len(starts)
        if end - begin > most:
            places = range(begin + most, begin + most // 2, -1)
            end = max(places, key=lambda place: _worth(text, starts, place))  # the first maximum is the latest place
        last = starts[end] if end < len(starts) else len(text)
        if not text[starts[begin] : max(last, starts[end - 1] + 1)].isspace():
            yield begin, end
        begin = end


def _worth(text: str, starts: Sequence[int], place: int) -> int:
    """The quality of a cut before a token: 3 after a sentence, 2 between words, 1 between characters, 0 inside one."""
    at = starts[place]
    if at == starts[place - 1]:
        return 0
    if not (text[at - 1].isspace() or text[at : at + 1].isspace()):
        return 1
    return 3 if text[max(0, at - _NEAR) : at].rstrip(_CLOSING).endswith(tuple(_ENDS)) else 2
