"""Text as seqcli sees it: Unicode form, special symbols, what may stand in a TSV field or on a terminal.

Reading files is `data/lines.py`; here are only rules about strings.

A tokenizer reads text in one Unicode form (`Normalisation`), and applies it to the text it is given.

seqcli's own tokenizers read NFC. A vocabulary made by another tool (ARPA, a SentencePiece `.model`) reads text as given:
its words are spelled as its file spells them, and NFC would merge words that it tells apart.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections.abc import Sequence
from enum import Enum
from functools import cache

UNK, BOS, EOS = "<unk>", "<s>", "</s>"  # ids 0, 1, 2 in every tokenizer
UNK_ID, BOS_ID, EOS_ID = 0, 1, 2
PAD = -1  # no token: what fills a padded row where that must be known
SPECIALS = (UNK, BOS, EOS)
SPECIAL_IDS = (UNK_ID, BOS_ID, EOS_ID)

SPACE_MARK = "\u2581"  # a space in a sentencepiece piece
BLANKS = "\0\t\n\v\f\r "  # what parts words
WORD = re.compile(f"[^{BLANKS}]+")  # between ASCII blanks: KenLM's words, and the words of all that counts words
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
_TSV_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
_TSV_NAMES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_TERMINAL_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def utf8(text: str) -> bytes:
    r"""`text` in UTF-8. A lone surrogate, Python's stand-in for a byte of a file name that is not UTF-8, becomes `\udcff`:
    JSON's escape for it."""
    return text.encode("utf-8", "backslashreplace")


def one_line(record: str) -> str:
    """A record as a line: a line feed inside it is a space."""
    return record.replace("\n", " ")


def nfc(text: str) -> str:
    """Unicode normalisation form C, at the price of a check where nothing is to do.

    Lines are mended one by one, as a block of text seldom has more than a few that need it. The number of
    lines stays: no character composes across a line break.
    """
    if unicodedata.is_normalized("NFC", text):
        return text
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if not unicodedata.is_normalized("NFC", line):
            lines[index] = _composed(line)
    return "\n".join(lines)


@cache
def _marks() -> re.Pattern:
    """Long runs of combining marks; the pattern takes 8 ms to make."""
    return re.compile(
        f"[{''.join(char for char in map(chr, range(0x300, 0x20000)) if unicodedata.combining(char))}]{{32,}}"
    )


def _composed(text: str) -> str:
    """NFC in linear time: `unicodedata` sorts runs of marks by insertion, so long ones are handed to it in order.

    Marks may be put in the order of their combining classes without changing what the text is (canonical equivalence).
    """
    return unicodedata.normalize("NFC", _marks().sub(lambda m: "".join(sorted(m[0], key=unicodedata.combining)), text))


def nfc_spans(text: str) -> tuple[str, Sequence[int]]:
    """NFC of `text`, and where each of its characters came from.

    Returns the normalised text and a sequence one longer than it: character i of the normalised text stands for
    `text[origin[i] : origin[i'])` where i' is the next position with a larger origin; the last entry is len(text).
    "e" + acute accent + "t" gives ("ét", [0, 2, 3]).
    """
    if unicodedata.is_normalized("NFC", text):
        return text, range(len(text) + 1)
    pieces: list[str] = []
    origin = array("q")
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and not _starts_afresh(text, start, end):
            continue
        piece = _composed(text[start:end])
        pieces.append(piece)
        origin.extend([start] * len(piece))
        start = end
    origin.append(len(text))
    return "".join(pieces), origin


def _starts_afresh(text: str, start: int, end: int) -> bool:
    """Whether normalisation cannot join character `end` to `text[start:end]`."""
    char = text[end]
    if unicodedata.combining(unicodedata.normalize("NFD", char)[0]):
        return False
    before = text[start:end]
    apart = _composed(before) + unicodedata.normalize("NFC", char)
    return _composed(before + char) == apart


def tsv_field(text: str) -> str:
    r"""`text` as one TSV field: backslash, tab, newline and other control characters as `\\`, `\t`, `\n`, `\x1b`."""
    return _TSV_UNSAFE.sub(lambda m: _TSV_NAMES.get(m[0]) or f"\\x{ord(m[0]):02x}", text)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `2 rows`, `1,000 rows`: a number and its noun. plural: where it is not the noun and an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def significant(value: float) -> str:
    """Four significant digits, from 10,000 on whole: `57.93`, `1,150`, `11,498`, `1.2e+20`."""
    return f"{value:,.0f}" if 999.95 <= abs(value) < 1e15 else f"{value:.4g}"


def megabytes(size: int) -> str:
    """A number of bytes for people: `512 bytes`, `1.1 MB`, `2.50 GB`; powers of ten."""
    if size < 10**5:
        return counted(size, "byte")
    return f"{size / 1e6:,.1f} MB" if size < 10**9 else f"{size / 1e9:,.2f} GB"


def printable(text: str) -> str:
    """`text` for a terminal: control, bidirectional and line-breaking characters are shown, not obeyed."""
    return _TERMINAL_UNSAFE.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)


def number_of(text: str) -> float:
    """The number that is written in decimal digits, nan for anything else: Python would also read 1_000 and other scripts' digits."""
    return float(text) if _NUMBER.fullmatch(text) else math.nan


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
