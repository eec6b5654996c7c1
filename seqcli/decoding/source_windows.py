"""The parts of a source that a translator reads: all of it, or windows of a longer one.

A source that is too long is cut after a sentence, else between words, else between characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqcli.data.lines import block_of
from seqcli.interfaces import OpenTranslator
from seqcli.text import one_line

_ENDS = ".!?…。！？"
_CLOSING = " \t\"'”’»)]』」"  # characters that may follow the mark at the end of a sentence
_NEAR = 8  # number of characters before a cut that are searched for that mark


class Part(NamedTuple):
    """A window of a line."""

    line: int
    number: int
    tokens: np.ndarray


def parts_of(opened: OpenTranslator, lines: list[tuple[int, str]]) -> list[list[Part]]:
    """The windows of each line."""
    block = block_of(text for _, text in lines)
    batch = opened.source.encode(block.data)
    room = opened.model.window - 1  # without `</s>`
    parts = []
    for (line, text), tokens in zip(lines, batch.rows):
        spans: Iterable[tuple[int, int]]
        if len(tokens) == 1 or text.isspace():  # only `</s>`
            spans = []
        elif len(tokens) <= opened.model.window:
            spans = [(0, len(tokens) - 1)]
        else:
            spans = windows(text, [piece.start for piece in opened.source.pieces(one_line(text))], most=room)
        parts.append([Part(line, number, np.append(tokens[a:b], tokens[-1])) for number, (a, b) in enumerate(spans)])
    return parts


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
