"""How a tokenizer reads records: what a line feed inside one means, and how a context and a text are joined.

A record is one string: a line of a file, an argument, a cell of a table. Read as a line, its line feeds become spaces and
`</s>` ends it. Read as a document, its line feeds are line breaks: `</s>`, or for characters and bytes, whose documents
have no `</s>`, a token of their own. A document ends in a line break, which is added if missing, as at the end of a file.
These rules are implemented only here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from seqcli.data.lines import Block
from seqcli.interfaces import Documents, OpenScorer, Piece, Tokenizer, has_line_ends
from seqcli.long_text import best_combinations
from seqcli.text import BLANKS, EOS, EOS_ID, one_line
from seqcli.token_batch import TokenBatch


def lines_of(block: Block, unit: str, *, whole: bool | Iterable[bool] = True) -> tuple[bytes, np.ndarray | None]:
    """The lines of a block's records, UTF-8 as given, and the number of lines of each record, int64 [B] (None: 1 each),
    according to `unit`.

    whole: whether documents are complete (all, or each); the last line feed of an incomplete one is not part of it.
    """
    if unit == "line" or block.raw is None:
        return block.data, None
    complete = repeat(whole) if isinstance(whole, bool) else whole
    texts = [record if whole and record.endswith("\n") else record + "\n" for record, whole in zip(block.raw, complete)]
    return "".join(texts).encode(), np.array([text.count("\n") for text in texts], np.int64)


@dataclass(frozen=True)
class RecordReader:
    """Reads records for `tokenizer` as lines or documents (`unit`). line_ends: whether a line break is `</s>` and ends a line;
    learning: see `Tokenizer.encode`."""

    tokenizer: Tokenizer
    unit: str = "line"
    line_ends: bool = True
    learning: bool = False

    @classmethod
    def of(cls, opened: OpenScorer, *, unit: str | None = None) -> RecordReader:
        """The reader of a model. unit: overrides the model's."""
        return cls(opened.tokenizer, unit or opened.unit, opened.ends)

    @classmethod
    def for_unit(cls, tokenizer: Tokenizer, unit: str, *, learning: bool = False) -> RecordReader:
        """The reader of a model with this unit."""
        return cls(tokenizer, unit, has_line_ends(tokenizer, unit), learning)

    def rows(self, block: Block, *, whole: bool = True) -> TokenBatch:
        """The tokens of the records, one row each. whole: include the token that ends a record, if there is one."""
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
        """The tokens of one record, as in `rows`, with their positions in the text."""
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
        """The tokens of one record by `segment(line, line number)` instead of the tokenizer's usual segmentation."""
        if self.unit == "line":
            return segment(one_line(record), 0)
        first, *others = [segment(line, number) for number, line in enumerate(record.split("\n"))]
        return [*first, *(id for line in others for id in [EOS_ID, *line])]

    def n_best(
        self, record: str, segmentations: Callable[[str], Sequence[tuple[Sequence[int], float]]], *, k: int
    ) -> list[tuple[Sequence[int], float]]:
        """The k best segmentations of one record, with their scores.

        segmentations: gives the k best of a line with their scores, best first; those of a document are the best
        combinations of the segmentations of its lines.
        """
        if self.unit == "line":
            return list(segmentations(one_line(record)))
        lines = [[(score, ids) for ids, score in segmentations(line)] for line in record.split("\n")]
        return [
            ([*first, *(id for line in others for id in [EOS_ID, *line])], score)
            for score, (first, *others) in best_combinations(lines, n=k)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a record from its tokens, without those that end it. A line contains no line break, whatever token ends
        it."""
        if self.unit == "line":
            return self.tokenizer.decode(id for id in ids if id != self.tokenizer.specials[2])
        ids = list(ids)
        return self.tokenizer.decode(ids) + "\n" * (ids[-1:] == [EOS_ID])

    def join(self, pieces: Iterable[str]) -> str:
        """The text of a record from its pieces."""
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
        """`context` and `text` joined to one string, and the part of it that precedes the text.

        A space is inserted unless the context ends, or the text begins, with white space. A text that ends a document gets
        a line break in characters and bytes, which have no `</s>` for it. An empty context counts as none, so that the text
        is a record like any other.
        """
        if self.unit == "line":
            context, text = one_line(context), one_line(text)
        seamless = not context or not text or context[-1] in BLANKS or text[0] in BLANKS
        given = context if seamless else context + " "
        string = given + text
        if context and self.unit != "line" and not self.line_ends and not string.endswith("\n"):
            string += "\n"
        return string, given
