"""A record as a tokenizer reads it: what a line feed inside it means, and how a context and a text become one string.

A record is one string: a line of a file, an argument, a cell of a table. Read as a line, its line feeds are spaces and
`</s>` ends it. Read as a document, its line feeds are line breaks: `</s>`, or for characters and bytes, whose documents
have no `</s>`, a token of their own. A document ends in a line break; one that lacks it gets it, as the last line of a
file does. Nothing else in the package decides this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from seqcli.combinations import best
from seqcli.data.lines import Block
from seqcli.interfaces import Documents, OpenScorer, Piece, Tokenizer, has_line_ends
from seqcli.text import BLANKS, EOS, EOS_ID, one_line
from seqcli.token_batch import TokenBatch


def lines_of(block: Block, unit: str, *, whole: bool | Iterable[bool] = True) -> tuple[bytes, np.ndarray | None]:
    """The lines of a block's records read by `unit`, UTF-8 as given, and how many each record has, int64 [B] (None: 1 each).

    whole: documents are complete (all, or each); else they are beginnings, and the last line feed of each is not part of it.
    """
    if unit == "line" or block.raw is None:
        return block.data, None
    complete = repeat(whole) if isinstance(whole, bool) else whole
    texts = [record if whole and record.endswith("\n") else record + "\n" for record, whole in zip(block.raw, complete)]
    return "".join(texts).encode(), np.array([text.count("\n") for text in texts], np.int64)


@dataclass(frozen=True)
class RecordReader:
    """Reads records for `tokenizer` as lines or documents (`unit`). line_ends: a line break is `</s>`, and ends a line; learning: see
    `Tokenizer.encode`."""

    tokenizer: Tokenizer
    unit: str = "line"
    line_ends: bool = True
    learning: bool = False

    @classmethod
    def of(cls, opened: OpenScorer, *, unit: str | None = None) -> RecordReader:
        """As a model reads them; unit: other than its own."""
        return cls(opened.tokenizer, unit or opened.unit, opened.ends)

    @classmethod
    def for_unit(cls, tokenizer: Tokenizer, unit: str, *, learning: bool = False) -> RecordReader:
        """As a model of that unit would read them."""
        return cls(tokenizer, unit, has_line_ends(tokenizer, unit), learning)

    def rows(self, block: Block, *, whole: bool = True) -> TokenBatch:
        """The tokens of every record: one row each. whole: with the token that ends it, where there is one; else without."""
        if self.unit != "line" and not self.line_ends and isinstance(self.tokenizer, Documents):
            records = block.records()
            if whole:
                records = [record if record.endswith("\n") else record + "\n" for record in records]
            return self.tokenizer.encode_documents(records, learning=self.learning)
        text, counts = lines_of(block, self.unit, whole=whole)
        batch = self.tokenizer.encode(text, learning=self.learning)
        if counts is not None:
            batch = batch.grouped(counts)
        if self.unit == "line":
            return batch if whole and self.line_ends else batch.without_last()
        if not self.line_ends:
            line_break = self.tokenizer.encode(b"\n", unit="document").tokens[0]
            batch = TokenBatch(np.where(batch.tokens == EOS_ID, line_break, batch.tokens), batch.lengths)
        return batch if whole else batch.without_last()

    def pieces(self, record: str, *, whole: bool = False) -> Iterator[Piece]:
        """The tokens of one record, those of `rows`, with their places in it."""
        if self.unit == "line":
            yield from self.tokenizer.pieces(one_line(record))
            if whole and self.line_ends:
                yield Piece(EOS, self.tokenizer.specials[2], len(record), len(record))
            return
        text = record if not whole or record.endswith("\n") else record + "\n"
        if not self.line_ends:
            for piece in self.tokenizer.pieces(text):
                yield piece._replace(start=min(piece.start, len(record)), end=min(piece.end, len(record)))
            return
        start = 0
        for line in text.split("\n"):
            if start:
                yield Piece(EOS, EOS_ID, min(start - 1, len(record)), min(start, len(record)))
            for piece in self.tokenizer.pieces(line):
                yield piece._replace(start=start + piece.start, end=start + piece.end)
            start += len(line) + 1

    def segmented(self, record: str, segment: Callable[[str, int], Sequence[int]]) -> Sequence[int]:
        """The tokens of one record, by `segment(line, its number)` instead of the tokenizer's usual segmentation."""
        if self.unit == "line":
            return segment(one_line(record), 0)
        first, *others = [segment(line, number) for number, line in enumerate(record.split("\n"))]
        return [*first, *(id for line in others for id in [EOS_ID, *line])]

    def n_best(
        self, record: str, segmentations: Callable[[str], Sequence[tuple[Sequence[int], float]]], *, k: int
    ) -> list[tuple[Sequence[int], float]]:
        """The tokens of one record in its k best segmentations, and their scores. segmentations: the k best of a line with
        their scores, best first; those of a document are the best choices of one for each of its lines."""
        if self.unit == "line":
            return list(segmentations(one_line(record)))
        lines = [[(score, ids) for ids, score in segmentations(line)] for line in record.split("\n")]
        return [
            ([*first, *(id for line in others for id in [EOS_ID, *line])], score)
            for score, (first, *others) in best(lines, n=k)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a record from the tokens of `rows`, those that end it left out. A line has no line break, whatever ends it."""
        if self.unit == "line":
            return self.tokenizer.decode(id for id in ids if id != self.tokenizer.specials[2])
        ids = list(ids)
        return self.tokenizer.decode(ids) + "\n" * (ids[-1:] == [EOS_ID])

    def join(self, pieces: Iterable[str]) -> str:
        """The same from its pieces."""
        if self.unit == "line" or not self.line_ends:
            return self.tokenizer.join(pieces)
        lines: list[list[str]] = [[]]
        for piece in pieces:
            if piece == EOS:
                lines.append([])
            else:
                lines[-1].append(piece)
        return "\n".join(map(self.tokenizer.join, lines))

    def joined(self, context: str, text: str) -> tuple[str, str]:
        """`context` and `text` as one string, and its beginning up to the text.

        A space is put between them unless the context ends, or the text begins, with a blank. A text that ends a document
        has its line break, which no `</s>` stands for in characters and bytes; an empty context is none, so that the text is
        a record as any other.
        """
        if self.unit == "line":
            context, text = one_line(context), one_line(text)
        seamless = not context or not text or context[-1] in BLANKS or text[0] in BLANKS
        given = context if seamless else context + " "
        string = given + text
        if context and self.unit != "line" and not self.line_ends and not string.endswith("\n"):
            string += "\n"
        return string, given
