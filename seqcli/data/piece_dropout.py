"""Piece dropout: randomly replaces pieces by the smaller pieces that they consist of, so that words are not always segmented
alike.

Similar to BPE dropout (Provilkov et al. 2020) and subword regularization (Kudo 2018), with a table that is computed once:
every piece and its shortest segmentation into other pieces of the vocabulary, such as `study` into `stud` `y`. Pieces
without one stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from seqcli.text import SPECIAL_IDS
from seqcli.token_batch import owners, places

_BYTE = re.compile("<0x[0-9A-Fa-f]{2}>")
_LONGEST = 64  # maximum length of a piece to split, in characters


class PieceDropout:
    """vocabulary: all pieces by id; share: the fraction of pieces to split, from 0 to 1."""

    def __init__(self, vocabulary: Sequence[str], share: float):
        self._share = share
        spelled = _spellings(vocabulary)
        self._lengths = np.array([len(ids) for ids in spelled], np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._ids = np.array([id for ids in spelled for id in ids], np.int32)

    def __call__(self, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """tokens: int32 [T] -> int32 [T'], T' at least T."""
        if not len(self._ids):  # no piece has a segmentation, as in a vocabulary of words
            return tokens
        spelled = (rng.random(len(tokens)) < self._share) & (self._lengths[tokens] > 1)
        lengths = np.where(spelled, self._lengths[tokens], 1)
        owner = owners(lengths)
        source = tokens[owner]
        return np.where(
            spelled[owner], self._ids.take(self._starts[source] + places(lengths), mode="clip"), source
        ).astype(np.int32)


def _spellings(vocabulary: Sequence[str]) -> list[list[int]]:
    """The segmentation of each piece into the fewest others, with the longest first piece in case of ties; [] if there is
    none."""
    known = {
        piece: id for id, piece in enumerate(vocabulary)
        if id not in SPECIAL_IDS and len(piece) <= _LONGEST and not _BYTE.fullmatch(piece)
    }  # fmt: skip
    return [_spelling(piece, known) if known.get(piece) == id else [] for id, piece in enumerate(vocabulary)]


def _spelling(piece: str, known: dict[str, int]) -> list[int]:
    best: list[list[int] | None] = [None] * len(piece) + [[]]  # best segmentation from each position on
    for begin in range(len(piece) - 1, -1, -1):
        for end in range(len(piece), begin, -1):
            rest, so_far = best[end], best[begin]
            if rest is None or (end - begin == len(piece)):
                continue
            first = known.get(piece[begin:end])
            if first is not None and (so_far is None or len(rest) + 1 < len(so_far)):
                best[begin] = [first, *rest]
    return best[0] or []
