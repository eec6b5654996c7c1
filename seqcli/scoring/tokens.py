"""Log-probabilities token by token, and summed over the words between white space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqcli.data.lines import Block
from seqcli.data.record_reader import RecordReader
from seqcli.interfaces import OpenScorer, Piece
from seqcli.results.language import TokenScore, WordScore
from seqcli.scoring.sentences import score_given
from seqcli.text import EOS, WORD


def score_tokens(
    opened: OpenScorer, block: Block, *, contexts: Sequence[str] | None = None, rank: bool = False
) -> Iterator[TokenScore]:
    """Scores every token of every record, including `</s>`."""
    for row in _rows(opened, block, contexts, rank):
        for index, piece in enumerate(row.pieces):
            order, rank_ = (None if values is None else values[index] for values in (row.order, row.rank))
            yield TokenScore(row.line, index, piece.text, row.log_prob[index], order, rank_)


def score_words(opened: OpenScorer, block: Block, *, contexts: Sequence[str] | None = None) -> Iterator[WordScore]:
    """Every word between white space; `</s>` is a row of its own, so rows add up.

    A token belongs to the first word that ends after the token begins: the blank before a word counts with it. Blanks
    at the end count with `</s>`, or with the last word where a document has none.
    """
    for row in _rows(opened, block, contexts, False):
        words: list[tuple[str, float]] = [(match[0], match.end()) for match in WORD.finditer(row.text, row.begin)]
        if opened.ends:
            words.append((EOS, math.inf))
        sums = [0.0] * max(len(words), 1)
        at = 0
        for piece, value in zip(row.pieces, row.log_prob):
            while at < len(words) - 1 and words[at][1] <= piece.start:
                at += 1
            sums[at] += value
        for index, (word, _) in enumerate(words):
            yield WordScore(row.line, index, word, sums[index])


class _Row(NamedTuple):
    """The tokens of a record and their scores; `text` from `begin` on is the record."""

    line: int
    text: str
    begin: int
    pieces: list[Piece]
    log_prob: list[float]
    order: list[int] | None
    rank: list[int] | None


def _rows(opened: OpenScorer, block: Block, contexts: Sequence[str] | None, rank: bool) -> Iterator[_Row]:
    reader = RecordReader.of(opened)
    ended = reader.line_ends
    if contexts is None:
        batch, strings = reader.rows(block, whole=ended), [(record, "") for record in block.records()]
        scores = opened.model.score(batch, rank=rank)
    else:
        batch, scores = score_given(opened, block, contexts, rank=rank)
        strings = [reader.joined(context, record) for context, record in zip(contexts, block.records())]
    begin = 0
    for line, ((text, given), length) in enumerate(zip(strings, batch.lengths.tolist()), block.first):
        row = slice(begin, begin + length)
        begin += length
        pieces = list(reader.pieces(text, whole=ended))
        yield _Row(
            line,
            text,
            len(given),
            pieces[len(pieces) - length :],
            scores.log_prob[row].tolist(),
            None if scores.order is None else scores.order[row].tolist(),
            None if scores.rank is None else scores.rank[row].tolist(),
        )
