"""Reads an ARPA file: a Table, its tokenizer and its unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqcli import ragged
from seqcli.interfaces import Tokenizer
from seqcli.interop.arpa.lines import SPECIAL_HASHES, Lines, unescaped
from seqcli.interop.arpa.source import Header, Source
from seqcli.ngram.table import Table
from seqcli.text import BOS_ID, SPECIALS
from seqcli.tokenizers.bytes import Bytes
from seqcli.tokenizers.characters import Characters
from seqcli.tokenizers.words import Words

_MISSING = -100 * np.log(10)  # KenLM's log p of unknown words in a file without <unk>


class Arpa(NamedTuple):
    """The contents of an ARPA file."""

    table: Table
    tokenizer: Tokenizer
    unit: str  # "line" or "document"


def read(path: Path, *, encoding: str | None = None, note: Callable[[str], None] = lambda line: None) -> Arpa:
    """Reads an ARPA file, compressed or not; words have ids from 3 on in the order of the file.

    encoding: of a file that is not UTF-8; note: called with what the file lacks and what replaces it. Raises ModelError if
    the file is not a valid ARPA file or cannot be read.
    """
    source = Source(path, encoding=encoding)
    header = Header.read(source)
    building = _Building(source, header, note=lambda line: note(f"{path}: {line}"))
    for n in range(1, len(header.counts) + 1):
        building.add(n)
    building.tell()
    tokenizer = _tokenizer(header.kind, building.words, source)
    tokenizer.normalisation = header.normalisation
    if header.kind == "sentencepiece":
        note(
            f"{path}: contains subword pieces; give it the output of `seqcli tokenize` with the model it was converted from"
        )
    return Arpa(building.table, tokenizer, header.unit)


def _tokenizer(kind: str, words: Words, source: Source) -> Tokenizer:
    """The tokenizer of this kind whose pieces, in the order of their ids, are these words."""
    pieces = words.vocabulary()[len(SPECIALS) :] if kind in ("characters", "bytes") else []
    if kind == "characters":
        if any(len(piece) != 1 for piece in pieces) or len(set(pieces)) < len(pieces):
            raise source.error("1-grams that are not single characters")
        return Characters("".join(pieces))
    if kind == "bytes":
        if words.vocabulary() != Bytes().vocabulary():
            raise source.error("1-grams that are not the bytes in their order")
        return Bytes()
    return words


class _Building:
    """Builds the table order by order, and its vocabulary."""

    def __init__(self, source: Source, header: Header, *, note: Callable[[str], None]):
        self._source, self._header, self._note = source, header, note
        self.table, self._listed = (
            Table.empty(len(header.counts)),
            Words.of(b"", np.zeros(0, np.int64), np.zeros(0, np.uint64)),
        )
        self._above = 0  # number of n-grams with log10 p slightly above 0

    @property
    def words(self) -> Words:
        """The words, unescaped; `_listed` has them as written in the file."""
        return unescaped(self._listed) if self._header.escaped else self._listed

    def add(self, n: int) -> None:
        """Reads the next section."""
        end = f"\\{n + 1}-grams:" if n < self.table.order else "\\end\\"
        section = (Lines(run, n=n, source=self._source) for run in self._source.until(end))
        if n == 1:
            self._add_unigrams(section)
        else:
            self._add_ngrams(section, n=n)

    def tell(self) -> None:
        """Notes at the end on irregularities of the file."""
        if self._source.malformed:
            held = (
                "1 byte sequence is"
                if self._source.malformed == 1
                else f"{self._source.malformed:,} byte sequences are"
            )
            self._note(f"{held} not valid {self._source.encoding or 'UTF-8'}; no text has these words")
        if self._above:
            held = "1 n-gram has" if self._above == 1 else f"{self._above:,} n-grams have"
            self._note(f"{held} a log10 p slightly above 0, read as 0 (p = 1)")

    def _collect(self, section: Iterator[Lines], key_of: Callable[[Lines], np.ndarray], *, n: int):
        """Reads all R lines of a section, identified by keys (`key_of` computes the uint64 [M] keys of a run).

        Returns log_prob and log_backoff, float32 [R] in the order of the file, the sorted keys, and the index in the file
        of each key, int64 [R].
        """
        parts = [(np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint64))]
        first, claimed, held = None, self._header.counts[n - 1], 0
        for lines in section:
            first = first or lines  # sections without lines are omitted
            if (held := held + len(lines)) > claimed:
                raise self._source.error(f"claims {claimed} {n}-grams but contains more")
            log_prob, above = lines.log_prob()
            self._above += above
            parts.append((log_prob, lines.log_backoff(), key_of(lines)))
        if held < claimed:
            raise self._source.error(f"claims {claimed} {n}-grams but contains {held}")
        log_prob, log_backoff, keys = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        place = np.argsort(keys)
        keys = keys[place]
        if first and len(twice := np.flatnonzero(keys[1:] == keys[:-1])):
            raise first.error("it is listed twice", row=place[twice[0] : twice[0] + 2].max())
        return log_prob, log_backoff, keys, place

    def _add_unigrams(self, section: Iterator[Lines]) -> None:
        pieces = [(np.zeros(0, np.uint8), np.zeros(0, np.int64))]

        def key_of(lines: Lines) -> np.ndarray:
            pieces.append(lines.last_words())
            return lines.hashes()[0]

        log_prob, log_backoff, keys, place = self._collect(section, key_of, n=1)
        at = np.searchsorted(keys, SPECIAL_HASHES)
        found = np.append(keys, np.uint64(0))[at] == SPECIAL_HASHES
        unk, bos, eos, capital = np.where(found, np.append(place, -1)[at], -1)  # -1: none
        unk = max(unk, capital)  # if there are both, the later one counts, as in KenLM
        for row, instead in (
            (unk, "<unk>: log10 p is -100"),
            (bos, "<s>: back-off is 0"),
            (eos, "</s>: p is that of <unk>"),
        ):
            if row < 0:
                self._note(f"no 1-gram {instead}")
        others = np.setdiff1d(np.arange(len(keys)), [unk, bos, eos, capital])
        rows = np.append([unk, bos, eos if eos >= 0 else unk], others)
        table = self.table
        table.words.append(np.zeros(0, np.uint32))  # ids are rows
        unigrams = np.append(log_prob, np.float32(_MISSING))[rows]
        unigrams[BOS_ID] = -np.inf
        table.log_prob.append(unigrams)
        if table.order > 1:
            table.log_backoff.append(np.append(log_backoff, np.float32(0))[rows])
        data, lengths = (np.concatenate(column) for column in zip(*pieces, strict=True))
        joined = ragged.gather(data, (np.cumsum(lengths) - lengths)[others], lengths[others])
        self._check_encoding(joined, lengths[others])
        keys[place] = keys.copy()  # in the order of the file
        self._listed = Words.of(joined.tobytes(), np.cumsum(lengths[others]), keys[others])

    def _check_encoding(self, joined: np.ndarray, lengths: np.ndarray) -> None:
        """Raises ModelError if the file is in another encoding: a UTF-8 file may contain some malformed words, but here most
        non-ASCII words are malformed."""
        if not self._source.malformed or self._source.encoding:
            return
        wellformed = len(np.unique(np.searchsorted(np.cumsum(lengths), np.flatnonzero(joined >= 0x80), side="right")))
        if self._source.malformed > wellformed:
            cure = "name its encoding (--encoding latin-1, cp949, ...), or convert it (iconv -f LATIN1 -t UTF-8)"
            raise self._source.error("is not UTF-8 text", cure=cure)

    def _add_ngrams(self, section: Iterator[Lines], *, n: int) -> None:
        table = self.table

        def key_of(lines: Lines) -> np.ndarray:
            ids = lines.ids(self._listed)
            prefix = ids[0]
            for k in range(2, n):
                prefix = table.find(k, prefix, ids[k - 1].astype(np.uint32))
                if len(lost := np.flatnonzero(prefix < 0)):
                    what = f"its first {k} words are no {k}-gram"
                    raise lines.error(what, row=lost[0], cure="prune so that every n-gram keeps its contexts")
            return prefix.astype(np.uint64) << np.uint64(32) | ids[-1].astype(np.uint64)

        log_prob, log_backoff, keys, place = self._collect(section, key_of, n=n)
        below, dtype = len(table.log_prob[-1]), np.int32 if len(keys) < 2**31 else np.int64
        children = np.zeros(below + 1, dtype)
        np.cumsum(np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=below), out=children[1:])
        table.children.append(children)
        table.words.append(keys.astype(np.uint32))  # the lower half
        table.log_prob.append(log_prob[place])
        if n < table.order:
            table.log_backoff.append(log_backoff[place])
