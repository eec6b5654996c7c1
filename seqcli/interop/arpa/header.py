"""The header: the number of n-grams of each order, and seqcli's comments on how text is read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seqcli.interop.arpa.source import Source, shown
from seqcli.models.ngram import LARGEST_ORDER
from seqcli.text import Normalisation

_COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_ESCAPED = b"# seqcli: \\xHH in a word is the byte HH\n"
_TOKENIZER = re.compile(
    rb"^# seqcli: tokenizer (words|characters|bytes|sentencepiece), unit (line|document)(, text as given)?\r?$", re.M
)


@dataclass
class Header:
    r"""counts: number of n-grams of each order; escaped: `\xHH` in a word is a byte; the defaults are those of files of other
    tools."""

    counts: list[int]
    kind: str = "words"
    unit: str = "line"
    normalisation: Normalisation = Normalisation.NONE
    escaped: bool = False

    @classmethod
    def read(cls, source: Source) -> Header:
        r"""Reads up to the line `\1-grams:`. Raises ModelError."""
        header = cls([])
        for run in source.preamble():
            header.escaped |= _ESCAPED in run.data
            for found in _TOKENIZER.finditer(run.data):
                header.kind, header.unit = found[1].decode(), found[2].decode()
                # its pieces have the form of `seqcli tokenize` output
                as_given = found[3] or header.kind == "sentencepiece"
                header.normalisation = Normalisation.NONE if as_given else Normalisation.NFC
        for run in source.until("\\1-grams:"):
            for number, line in enumerate(run.data.split(b"\n"), run.first):
                if line.strip():
                    header._add(line.strip(), number, source)
        if not header.counts:
            raise source.error("no counts of n-grams")
        return header

    def _add(self, line: bytes, number: int, source: Source) -> None:
        found = _COUNT.fullmatch(line)
        if not found or int(found[1]) != len(self.counts) + 1:
            what = f"{shown(line)} where the count of {len(self.counts) + 1}-grams was expected"
            raise source.error(what, line=number)
        if len(self.counts) == LARGEST_ORDER:
            raise source.error(f"order above {LARGEST_ORDER}", line=number, cure="build the model with a lower order")
        self.counts.append(int(found[2]))

    def written(self) -> bytes:
        """The comments that describe deviations from files of other tools, and the counts."""
        text = b""
        if (self.kind, self.unit, self.normalisation) != ("words", "line", Normalisation.NONE):
            as_given = ", text as given" if self.normalisation is Normalisation.NONE else ""
            text = f"# seqcli: tokenizer {self.kind}, unit {self.unit}{as_given}\n".encode()
        text += _ESCAPED if self.escaped else b""
        return text + b"\\data\\\n" + b"".join(b"ngram %d=%d\n" % pair for pair in enumerate(self.counts, 1))
