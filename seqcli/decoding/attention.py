"""The attention of finished translations, computed by forced decoding.

Pieces have positions in the source and in the printed translation, so attention can be summed over words, and a word
alignment follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.decoding.translate import TranslatedLine, together
from seqcli.interfaces import OpenTranslator, Piece
from seqcli.results.translation import Attention
from seqcli.text import EOS, EOS_ID, WORD, one_line
from seqcli.token_batch import TokenBatch

_AT_ONCE = 64  # translations
_UNFINISHED = ("\ufffd", "\x1a")  # ends of a text whose last character is still incomplete


@dataclass(frozen=True)
class AttentionMap:
    """The attention of one translation: weights float32 [T, S], rows sum to 1; source [S] and target [T]: pieces,
    including `</s>`. Windows are concatenated and do not attend to each other."""

    source_text: str
    target_text: str
    source: list[Piece]
    target: list[Piece]
    weights: np.ndarray

    def of_words(self) -> np.ndarray:
        """Attention summed over the pieces of whitespace-separated words: float64 [target words, source words]. A
        piece belongs to the first word that ends after the piece begins."""
        rows, columns = _words(self.target_text, self.target), _words(self.source_text, self.source)
        return rows @ self.weights.astype(np.float64) @ columns.T

    def alignment(self) -> list[tuple[int, int]]:
        """(source word, target word) for each target word and the source word with the most attention, in source
        order."""
        words = self.of_words()
        return sorted((int(row.argmax()), target) for target, row in enumerate(words)) if words.size else []

    @property
    def result(self) -> Attention:
        source, target = self.pieces
        return Attention(self.target_text, source, target, self.weights.tolist(), self.alignment())

    @property
    def pieces(self) -> tuple[list[str], list[str]]:
        """Source and target pieces, as text."""
        return [piece.text for piece in self.source], [piece.text for piece in self.target]


def attentions(opened: OpenTranslator, translations: Sequence[TranslatedLine]) -> list[AttentionMap]:
    """The attention of the best hypothesis of each translation."""
    parts = [(t, k) for t, translation in enumerate(translations) for k in range(len(translation.parts))]
    found: dict[tuple[int, int], np.ndarray] = {}
    for rows in together(opened, [len(translations[t].parts[k]) for t, k in parts], at_once=_AT_ONCE):
        batch = [parts[row] for row in rows]
        sources = TokenBatch.of([translations[t].parts[k] for t, k in batch])
        targets = TokenBatch.of([translations[t].best.parts[k] for t, k in batch])
        found |= zip(batch, opened.model.conditioned_on(opened.model.encode(sources)).attention(targets), strict=True)
    return [
        _whole(opened, translation, [found[t, k] for k in range(len(translation.parts))])
        for t, translation in enumerate(translations)
    ]


def _whole(opened: OpenTranslator, translation: TranslatedLine, maps: list[np.ndarray]) -> AttentionMap:
    weights = np.zeros((sum(len(each) for each in maps), sum(each.shape[1] for each in maps)), np.float32)
    row = column = 0
    for each in maps:
        weights[row : row + len(each), column : column + each.shape[1]] = each
        row, column = row + len(each), column + each.shape[1]
    source = list(_source_pieces(opened, translation))
    target = list(_target_pieces(opened, translation))
    return AttentionMap(translation.source, translation.best.text, source, target, weights)


def _source_pieces(opened: OpenTranslator, translation: TranslatedLine) -> Iterator[Piece]:
    """The source pieces in a window."""
    pieces = iter(opened.source.pieces(one_line(translation.source))) if translation.parts else iter(())
    at = 0
    for tokens in translation.parts:
        for token in tokens[:-1].tolist():
            piece = next(piece for piece in pieces if piece.id == token)  # pieces of blank windows are skipped
            at = piece.end
            yield piece
        yield Piece(EOS, EOS_ID, at, at)


def _target_pieces(opened: OpenTranslator, translation: TranslatedLine) -> Iterator[Piece]:
    """The tokens of each window's translation with their offsets in the text, from the decoded length of each prefix."""
    vocabulary, text, at = opened.target.vocabulary(), translation.best.text, 0
    for ids in translation.best.parts:
        decoded = opened.target.decode(ids)
        begins = 0
        if len(translation.best.parts) > 1:  # joined without the blanks around them
            at = text.find(decoded.strip(), at)
            begins = at - (len(decoded) - len(decoded.lstrip()))
        reach = [0]
        for count in range(1, len(ids) + 1):
            so_far = opened.target.decode(ids[:count])
            reach.append(reach[-1] if so_far.endswith(_UNFINISHED) else len(so_far))
        reach[-1] = len(decoded)
        for id, start, end in zip(ids, reach, reach[1:]):
            yield Piece(vocabulary[id], id, max(0, begins + start), begins + end)
        at += len(decoded.strip())


def _words(text: str, pieces: list[Piece]) -> np.ndarray:
    """Which pieces belong to which word of `text`: float64 0 or 1 [words, pieces]."""
    ends = [match.end() for match in WORD.finditer(text)]
    member = np.zeros((len(ends), len(pieces)))
    word = np.searchsorted(ends, [piece.start for piece in pieces], side="right")
    place = [k for k, piece in enumerate(pieces) if word[k] < len(ends) and piece.id != EOS_ID]
    member[word[place], place] = 1
    return member
