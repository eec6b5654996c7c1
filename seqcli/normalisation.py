"""The Unicode form in which a tokenizer reads text: each tokenizer has one, and applies it to the text it is given.

seqcli's own tokenizers read NFC. A vocabulary made by another tool (ARPA, a SentencePiece `.model`) reads text as given:
its words are spelled as its file spells them, and NFC would merge words that it tells apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from seqcli.text import nfc, nfc_spans


class Normalisation(Enum):
    """The value is the name of the form in files and signatures."""

    NFC = "nfc"
    NONE = "none"

    def text(self, text: str) -> str:
        """The text as the tokenizer reads it. The number of lines stays."""
        return nfc(text) if self is Normalisation.NFC else text

    def lines(self, lines: bytes) -> bytes:
        """The same for UTF-8."""
        if self is Normalisation.NONE or lines.isascii():
            return lines
        text = lines.decode()
        same = nfc(text)
        return lines if same is text else same.encode()

    def spans(self, text: str) -> tuple[str, Sequence[int]]:
        """The text as the tokenizer reads it, and where each of its characters came from (see `text.nfc_spans`)."""
        return nfc_spans(text) if self is Normalisation.NFC else (text, range(len(text) + 1))
