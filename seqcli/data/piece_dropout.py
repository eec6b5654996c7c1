"""Piece dropout: now and then a piece is read as the smaller ones that it is made of, so a word is not always spelled alike.

The idea of BPE dropout (Provilkov et al. 2020) and subword regularisation (Kudo 2018), by a table that is made once: every
piece and its shortest spelling by other pieces of the vocabulary, `study` as `stud` `y`. What cannot be spelled stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from seqcli.text import SPECIAL_IDS
from seqcli.token_batch import owners, places

_BYTE = re.compile("<0x[0-9A-Fa-f]{2}>")
_LONGEST = 64  # characters of a piece that is spelled


class PieceDropout:
    """vocabulary: all pieces by id; share: of the pieces that are spelled, from 0 to 1."""

    def __init__(self, vocabulary: Sequence[str], share: float):
        self._share = share
        spelled = _spellings(vocabulary)
        self._lengths = np.array([len(ids) for ids in spelled], np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._ids = np.array([id for ids in spelled for id in ids], np.int32)

    def __call__(self, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """tokens: int32 [T] -> int32 [T'], T' at least T."""
        if not len(self._ids):  # words of a vocabulary that spell no other
            return tokens
        spelled = (rng.random(len(tokens)) < self._share) & (self._lengths[tokens] > 1)
        lengths = np.where(spelled, self._lengths[tokens], 1)
        owner = owners(lengths)
        source = tokens[owner]
        return np.where(
            spelled[owner], self._ids.take(self._starts[source] + places(lengths), mode="clip"), source
        ).astype(np.int32)


def _spellings(vocabulary: Sequence[str]) -> list[list[int]]:
    """Of each piece the fewest others that spell it, of as few the one with the longest beginning; [] where none do."""
    known = {
        piece: id for id, piece in enumerate(vocabulary)
        if id not in SPECIAL_IDS and len(piece) <= _LONGEST and not _BYTE.fullmatch(piece)
    }  # fmt: skip
    return [_spelling(piece, known) if known.get(piece) == id else [] for id, piece in enumerate(vocabulary)]


def _spelling(piece: str, known: dict[str, int]) -> list[int]:
    best: list[list[int] | None] = [None] * len(piece) + [[]]  # of what begins at each place
    for begin in range(len(piece) - 1, -1, -1):
        for end in range(len(piece), begin, -1):
            rest, so_far = best[end], best[begin]
            if rest is None or (end - begin == len(piece)):
                continue
            first = known.get(piece[begin:end])
            if first is not None and (so_far is None or len(rest) + 1 < len(so_far)):
                best[begin] = [first, *rest]
    return best[0] or []
