"""A tokenizer whose words are the ids of a vocabulary, for models of random weights that are timed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from seqcli.interfaces import Piece
from seqcli.text import WORD, Normalisation
from seqcli.token_batch import TokenBatch


class NumberWords:
    KIND, normalisation, specials, ends_rows = "words", Normalisation.NONE, (0, 1, 2), True

    def __init__(self, vocab_size: int):
        self.vocab_size = vocab_size

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        rows = [np.array([*map(int, line.split()), 2], np.int32) for line in lines.split(b"\n")[:-1]]
        return TokenBatch.of(rows)

    def pieces(self, text: str) -> Iterator[Piece]:
        return (Piece(word[0], int(word[0]), *word.span()) for word in WORD.finditer(text))

    def decode(self, ids: Iterable[int]) -> str:
        return " ".join(map(str, ids))
