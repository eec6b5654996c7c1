r"""Escapes words that ARPA cannot represent (empty, with blanks, or spelled like special symbols): their bytes are written
`\xHH`."""

from __future__ import annotations

import re

import numpy as np

from seqcli.interfaces import Tokenizer
from seqcli.text import SPECIALS, tsv_field
from seqcli.tokenizers.words import Words, hashes

_BLANK = np.isin(np.arange(256), list(b"\0\t\n\v\f\r "))
_UNFIT = re.compile(r"[\0\t-\r \\]|^<(?=(?:unk|UNK|s|/s)>\Z)|^\Z")
_ESCAPE = re.compile(r"\\x((?:[0-7][0-9a-f])?)")


def joined(pieces: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 bytes of the pieces, concatenated, and the end of each."""
    encoded = [piece.encode() for piece in pieces]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([len(piece) for piece in encoded], dtype=np.int64)


def hashes_of(data: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The pieces from their concatenated bytes."""
    lengths = np.diff(ends, prepend=0)
    return hashes(np.append(data, np.zeros(8, np.uint8)), ends - lengths, lengths)


UNK, BOS, EOS, CAPITAL_UNK = SPECIAL_HASHES = hashes_of(*joined([*SPECIALS, "<UNK>"]))  # <UNK>: as in KenLM


def unescaped(words: Words) -> Words:
    """The unescaped words of an escaped file."""
    pieces = words.vocabulary()[len(SPECIALS) :]
    data, ends = joined([_ESCAPE.sub(lambda found: bytes.fromhex(found[1]).decode(), piece) for piece in pieces])
    return Words.of(data.tobytes(), ends, hashes_of(data, ends))


def spelled(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray, bool]:
    """All pieces as they are written: concatenated bytes, the end of each, and whether they are escaped."""
    pieces = None
    if isinstance(tokenizer, Words):
        data, ends = tokenizer.joined()
    else:
        pieces = tokenizer.vocabulary()[len(SPECIALS) :]
        if tokenizer.KIND == "sentencepiece":
            pieces = [tsv_field(piece).replace(" ", "\\x20") for piece in pieces]  # as `seqcli tokenize` does
        data, ends = joined(pieces)
    escaped = _BLANK[data].any() or (np.diff(ends, prepend=0) == 0).any()
    escaped = bool(escaped or np.isin(hashes_of(data, ends), SPECIAL_HASHES).any())
    if escaped:
        pieces = pieces or tokenizer.vocabulary()[len(SPECIALS) :]
        data, ends = joined([_UNFIT.sub(lambda found: "\\x" + found[0].encode().hex(), piece) for piece in pieces])
    special, special_ends = joined(list(SPECIALS))
    return np.append(special, data), np.append(special_ends, ends + len(special)), escaped
