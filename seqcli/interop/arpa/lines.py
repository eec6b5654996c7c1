r"""The n-gram lines of an ARPA file: logarithms, the ids of words, and the spelling of words that ARPA cannot represent (empty, with
blanks, or like special symbols), whose bytes are written `\xHH`."""

from __future__ import annotations

import re

import numpy as np

from seqcli import decimals, ragged
from seqcli.errors import ModelError
from seqcli.interfaces import Tokenizer
from seqcli.interop.arpa.source import REWRITE, Run, Source, shown
from seqcli.text import BOS_ID, EOS_ID, SPECIALS, UNK_ID, tsv_field
from seqcli.tokenizers.words import Words, hashes

_BLANK = np.isin(np.arange(256), list(b"\0\t\n\v\f\r "))
_UNFIT = re.compile(r"[\0\t-\r \\]|^<(?=(?:unk|UNK|s|/s)>\Z)|^\Z")
_ESCAPE = re.compile(r"\\x((?:[0-7][0-9a-f])?)")
_LN10 = np.log(10)
_ROUNDING = 0.01  # log10 p up to this counts as 0: IRSTLM writes probabilities slightly above 1


def joined(pieces: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 bytes of the pieces, concatenated, and the end of each."""
    encoded = [piece.encode() for piece in pieces]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([len(piece) for piece in encoded], dtype=np.int64)


def hashes_of(data: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The pieces from their concatenated bytes."""
    lengths = np.diff(ends, prepend=0)
    return hashes(np.append(data, np.zeros(8, np.uint8)), ends - lengths, lengths)


UNK, BOS, EOS, CAPITAL_UNK = SPECIAL_HASHES = hashes_of(*joined([*SPECIALS, "<UNK>"]))  # <UNK>: as in KenLM


class Lines:
    """M lines, split into fields: log10 p, n words and, optionally, log10 back-off."""

    def __init__(self, run: Run, *, n: int, source: Source):
        self.n, self._source = n, source
        self._text = np.frombuffer(bytes(8) + run.data + bytes(8), np.uint8)  # fields are loaded eight bytes at a time
        ends = np.flatnonzero((self._text == ord("\t")) | (self._text == ord("\n")) | (self._text == ord(" ")))
        starts = np.append(8, ends[:-1] + 1)
        fields = np.flatnonzero(self._text[ends] == ord("\n")) + 1  # up to the end of each line
        if (starts == ends).any():  # consecutive blanks
            kept = starts < ends
            fields, starts, ends = np.cumsum(kept, dtype=np.int64)[fields - 1], starts[kept], ends[kept]
        self._starts, self._lengths = starts, ends - starts
        count = np.diff(fields, prepend=0)
        filled = np.flatnonzero(count)
        count = count[filled]
        self._begin, self._number = fields[filled] - count, run.first + filled
        self._weighted = count == n + 2
        if len(wrong := np.flatnonzero((count != n + 1) & ~self._weighted)):
            what = f"{count[wrong[0]]} fields, not {n + 1} or {n + 2} (log10 p, words, log10 back-off)"
            raise self.error(what, row=wrong[0])

    def __len__(self) -> int:
        return len(self._begin)

    def error(self, what: str, *, row: int, cure: str = REWRITE) -> ModelError:
        """An error for line `row`, which may be past this run, in the same section."""
        number = self._number[row] if row < len(self) else self._number[0] + row
        return self._source.error(f"{self.n}-gram: {what}", line=number, cure=cure)

    def field(self, row: int, k: int) -> str:
        start = self._starts[self._begin[row] + k]
        return shown(self._text[start : start + self._lengths[self._begin[row] + k]].tobytes())

    def hashes(self) -> np.ndarray:
        """The hashes of all words: uint64 [n, M]."""
        field = (self._begin + np.arange(1, self.n + 1)[:, None]).ravel()
        return hashes(self._text, self._starts[field], self._lengths[field]).reshape(self.n, -1)

    def ids(self, words: Words) -> np.ndarray:
        """The ids of all words: int64 [n, M]."""
        h = self.hashes()
        ids = words.ids_of(h.ravel()).astype(np.int64).reshape(h.shape)
        ids[h == BOS], ids[h == EOS] = BOS_ID, EOS_ID
        unknown = (ids == UNK_ID) & (h != UNK) & (h != CAPITAL_UNK)
        if unknown.any():
            k, row = np.argwhere(unknown)[0]
            raise self.error(f"{self.field(row, k + 1)} is not among the 1-grams", row=row)
        return ids

    def last_words(self) -> tuple[np.ndarray, np.ndarray]:
        """The words' bytes, concatenated, and their lengths."""
        starts, lengths = self._starts[self._begin + self.n], self._lengths[self._begin + self.n]
        return ragged.gather(self._text, starts, lengths), lengths

    def log_prob(self) -> tuple[np.ndarray, int]:
        """Natural log-probabilities, float32 [M], and how many were slightly above 0 and became 0."""
        value = self._natural(self._begin)
        if len(wrong := np.flatnonzero(~(value <= np.float32(_ROUNDING * _LN10)))):
            field, cure = self.field(wrong[0], 0), "write it again with the tool that made it"
            if value[wrong[0]] > 0:
                raise self.error(f"log10 p is {field}, a probability above 1", row=wrong[0], cure=cure)
            raise self.error(f"log10 p is {field}, not a number", row=wrong[0])
        above = value > 0
        value[above] = 0
        return value, int(above.sum())

    def log_backoff(self) -> np.ndarray:
        """Natural log back-offs, float32 [M]."""
        value = np.zeros(len(self), np.float32)
        value[self._weighted] = self._natural((self._begin + self.n + 1)[self._weighted])
        if len(wrong := np.flatnonzero(~(value < np.inf))):
            raise self.error(f"log10 back-off is {self.field(wrong[0], self.n + 1)}, not a number", row=wrong[0])
        return value

    def _natural(self, field: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return (decimals.parsed(self._text, self._starts[field], self._lengths[field]) * _LN10).astype(np.float32)


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
