"""Bytes: one token per byte of the NFC text in UTF-8, a vocabulary of 256 and the specials, nothing unknown.

Nothing is learnt and nothing saved. A byte is written as its ASCII character where that is visible, else as
`<0xEA>`. With `unit="line"` a line feed ends a row with `</s>`; with `unit="document"` it is a byte and there is no
`</s>`. Bytes that are not UTF-8 decode to U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from seqcli.interfaces import Piece
from seqcli.text import SPECIAL_IDS, SPECIALS, UNK, Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import digest, lines_of, rows_ended_at, span

KIND = "bytes"

_PIECES = [chr(byte) if 0x21 <= byte < 0x7F else f"<0x{byte:02X}>" for byte in range(256)]
_OF_PIECE = {piece: bytes([byte]) for byte, piece in enumerate(_PIECES)}
_OF_ID = [UNK.encode(), b"", b"", *_OF_PIECE.values()]
_LINE_FEED = 0x0A


class Bytes:
    KIND = KIND
    specials = SPECIAL_IDS
    ends_rows = False
    normalisation = Normalisation.NFC
    vocab_size = len(SPECIALS) + 256
    fingerprint = digest(KIND.encode())

    @classmethod
    def load(cls, folder: Path) -> Bytes:
        return cls()

    def save(self, folder: Path) -> None:
        """Does nothing: there is nothing to save."""

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        data = np.frombuffer(self.normalisation.lines(lines), np.uint8)
        tokens = data.astype(np.int32)
        tokens += len(SPECIALS)
        return rows_ended_at(data == _LINE_FEED, tokens, unit=unit)

    def pieces(self, text: str) -> Iterator[Piece]:
        """The span of every byte of a character is the whole character."""
        same, origin = self.normalisation.spans(text)
        for i, char in enumerate(same):
            for byte in char.encode():
                yield Piece(_PIECES[byte], byte + len(SPECIALS), *span(origin, i, i + 1))

    def join(self, pieces: Iterable[str]) -> str:
        return b"".join(_OF_PIECE.get(piece) or piece.encode() for piece in pieces).decode("utf-8", "replace")

    def decode(self, ids: Iterable[int]) -> str:
        return "\n".join(b"".join(_OF_ID[i] for i in line).decode("utf-8", "replace") for line in lines_of(ids))

    def vocabulary(self) -> list[str]:
        return [*SPECIALS, *_PIECES]


load = Bytes.load


def train(
    blocks: Iterable[bytes], *, vocab_size: int | None = None, min_count: int = 1, unit: str = "line"
) -> tuple[Bytes, list[str]]:
    ignored = vocab_size not in (None, Bytes.vocab_size) or min_count > 1
    return Bytes(), [f"bytes always have a vocabulary of {Bytes.vocab_size}"] if ignored else []
