"""The lines of an ARPA file in runs, in any encoding and within bounds, and its header: the number of n-grams of each order, and seqcli's
comments on how text is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from seqcli.data.lines import Block, read_blocks
from seqcli.errors import InputError, ModelError
from seqcli.files import regular
from seqcli.models.ngram import LARGEST_ORDER
from seqcli.text import Normalisation, printable

REWRITE = "copy it again if it was cut short, or write it again with the tool that made it"
_RUN_BYTES = 1 << 20
_LONGEST = 1 << 20  # maximum length of a line, in bytes

_COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_ESCAPED = b"# seqcli: \\xHH in a word is the byte HH\n"
_TOKENIZER = re.compile(
    rb"^# seqcli: tokenizer (words|characters|bytes|sentencepiece), unit (line|document)(, text as given)?\r?$", re.M
)


class Run(NamedTuple):
    """Complete lines, beginning with line `first`. A line that begins with a backslash is a run of its own."""

    first: int
    data: bytes


class Source:
    r"""The runs of a file. encoding: of the file, if it is not UTF-8.

    malformed: number of malformed sequences read so far. In UTF-8 files they are written `\xHH`, so that words stay
    distinct and match no text.
    """

    def __init__(self, path: Path, *, encoding: str | None):
        with suppress(OSError):  # read_blocks raises the error if it cannot be opened
            regular.check(path)
        self.path, self.malformed = path, 0
        self.encoding = None if encoding is None or _is_utf8(path) else encoding
        self._runs = self._split()

    def _split(self) -> Iterator[Run]:
        for block in self._blocks():
            self.malformed += block.replaced
            first, begin, data = block.first, 0, block.data
            while begin < len(data):
                end = data.find(b"\n" if data.startswith(b"\\", begin) else b"\n\\", begin) + 1 or len(data)
                yield Run(first, data[begin:end])
                first += data.count(b"\n", begin, end)
                begin = end

    def _blocks(self) -> Iterator[Block]:
        try:
            yield from read_blocks(
                str(self.path), encoding=self.encoding, size=_RUN_BYTES, longest=_LONGEST, errors="backslashreplace"
            )
        except InputError as error:  # this input is a model
            raise ModelError(error.what, where=error.where, cure=error.cure or REWRITE) from None

    def preamble(self) -> Iterator[Run]:
        r"""Skips the runs before the line `\data\`; their number is limited."""
        size = 0
        for run in self._runs:
            if run.data.strip() == b"\\data\\":
                return
            size += len(run.data)
            if size > _RUN_BYTES:
                break
            yield run
        raise ModelError("no line \\data\\", where=str(self.path), cure="check that it is an ARPA file")

    def until(self, marker: str) -> Iterator[Run]:
        """The runs before the line `marker`, which must be the next line that begins with a backslash."""
        blank = 0  # number of blank bytes, which a compressed file may contain without limit
        for run in self._runs:
            if not run.data.startswith(b"\\"):
                blank += 0 if run.data.strip() else len(run.data)
                if blank > _RUN_BYTES:
                    raise self.error(f"more than {_RUN_BYTES:,} bytes of blank lines", line=run.first)
                yield run
            elif run.data.strip() == marker.encode():
                return
            else:
                raise self.error(f"{shown(run.data[:40].strip())} where {marker} was expected", line=run.first)
        raise self.error(f"no line {marker}")

    def error(self, what: str, *, line: int | None = None, cure: str = REWRITE) -> ModelError:
        return ModelError(what, where=str(self.path) if line is None else f"{self.path}, line {line}", cure=cure)


def _is_utf8(path: Path) -> bool:
    try:
        for _ in read_blocks(str(path), strict=True, size=_RUN_BYTES, longest=_LONGEST):
            pass
    except InputError:
        return False
    return True


def shown(data: bytes) -> str:
    """The beginning of a line, for errors."""
    return printable(data[:80].decode(errors="replace"))


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
