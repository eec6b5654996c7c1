"""Log-probabilities token by token, and summed over the words between white space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel, Piece
from seqcli.scoring.sentences import score_given
from seqcli.text import EOS, WORD


class ScoredToken(NamedTuple):
    """log_prob is natural; order is the matched n-gram's length, rank 1 for the likeliest token, None where not known."""

    line: int
    index: int
    token: str
    log_prob: float
    order: int | None = None
    rank: int | None = None


def score_tokens(
    opened: OpenModel, block: Block, *, contexts: Sequence[str] | None = None, rank: bool = False
) -> Iterator[ScoredToken]:
    """Every token of every record, `</s>` too."""
    for line, pieces, log_prob, order, ranks in _rows(opened, block, contexts, rank):
        names = [piece.text for piece in pieces] + [EOS] * opened.ends
        for index, name in enumerate(names):
            yield ScoredToken(line, index, name, log_prob[index], order and order[index], ranks and ranks[index])


def score_words(
    opened: OpenModel, block: Block, *, contexts: Sequence[str] | None = None
) -> Iterator[ScoredToken]:
    """Every word between white space, as the sum over its tokens; `</s>` is a row of its own, so rows add up.

    A token belongs to the first word that ends after the token begins: the blank before a word counts with it. Blanks
    at the end count with `</s>`, or with the last word where a document has none.
    """
    records = block.records()
    for line, pieces, log_prob, _, _ in _rows(opened, block, contexts, False):
        text = records[line - block.first]
        words = [(match[0], match.end()) for match in WORD.finditer(text)]
        if opened.ends:
            words.append((EOS, math.inf))
        sums = [0.0] * max(len(words), 1)
        at = 0
        for place, value in zip([*(piece.start for piece in pieces), len(text)], log_prob):
            while at < len(words) - 1 and words[at][1] <= place:
                at += 1
            sums[at] += value
        for index, (word, _) in enumerate(words):
            yield ScoredToken(line, index, word, sums[index])


def _rows(
    opened: OpenModel, block: Block, contexts: Sequence[str] | None, rank: bool
) -> Iterator[tuple[int, list[Piece], list[float], list[int] | None, list[int] | None]]:
    batch = opened.encode(block.data)
    if contexts is None:
        scores = opened.model.score(batch, rank=rank)
    else:
        scores = score_given(opened, batch, contexts, rank=rank)
    begin = 0
    for number, (record, length) in enumerate(zip(block.records(), batch.lengths.tolist()), block.first):
        row = slice(begin, begin + length)
        begin += length
        yield (
            number,
            opened.tokenizer.pieces(record.replace("\n", " ")),  # as it was encoded
            scores.log_prob[row].tolist(),
            None if scores.order is None else scores.order[row].tolist(),
            None if scores.rank is None else scores.rank[row].tolist(),
        )
