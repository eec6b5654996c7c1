"""Batches in which some tokens are hidden, for models that fill them in (Devlin et al. 2019, section 3.1).

Of the row `<s> my computer is slow </s>` a batch might hold

    inputs    <s>  my  [MASK]    is  slow  </s>
    targets    -   -   computer  -   -     -

15 % of the tokens are predicted: of these 80 % are masked, 10 % become another token and 10 % stay as they are, so that a model
cannot tell which of the tokens that it sees are right. With whole words all tokens of a word are hidden together.
"""

from __future__ import annotations

import numpy as np

from seqcli.data.batches import NOT_COUNTED, Batches, Example
from seqcli.interfaces import Tokenizer
from seqcli.text import EOS_ID, PAD, SPACE_MARK, SPECIALS

CAUSAL, OBJECTIVES = "causal", ("causal", "masked", "hybrid")
_MASKED, _CHANGED = 0.8, 0.1  # shares of the predicted tokens
_CONTINUED = "##"  # prefix of a WordPiece piece that continues a word
_FIRST = len(SPECIALS)  # token that is not `<unk>`, `<s>` or `</s>`


class Masked:
    """Masks the rows of other batches; a function of (seed, epoch, index), as those are.

    The mask is the token `vocab_size`, which occurs in no row, and padding is PAD. share: fraction of the tokens that are
    predicted; begins: bool [V], the tokens that begin a word, to mask whole words; causal: fraction of the batches that are
    left unmasked, for a model that also learns to continue texts. Targets then have the position before their token, as in
    those batches; ends: `</s>` is predicted as well.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        vocab_size: int,
        seed: int,
        share: float,
        begins: np.ndarray | None = None,
        causal: float = 0.0,
        ends: bool = True,
    ):
        self._batches, self._vocab_size, self._seed = batches, vocab_size, seed
        self._share, self._begins, self._causal, self._ends = share, begins, causal, ends

    def length(self, epoch: int) -> int:
        return self._batches.length(epoch)

    def get(self, epoch: int, index: int) -> Example:
        example = self._batches.get(epoch, index)
        rng = np.random.default_rng([self._seed, epoch, index, 2])
        if rng.random() < self._causal:
            return example
        rows = np.concatenate([example.inputs[:, :1], example.targets], axis=1)  # NOT_COUNTED is PAD
        hidden = self._hidden(rows, rng)
        targets = np.where(hidden, rows, NOT_COUNTED)
        fate = rng.random(rows.shape)
        inputs = np.where(hidden & (fate < _MASKED), self._vocab_size, rows)
        changed = hidden & (fate >= _MASKED) & (fate < _MASKED + _CHANGED)
        inputs[changed] = rng.integers(min(_FIRST, self._vocab_size - 1), self._vocab_size, int(changed.sum()))
        if self._causal:
            targets = np.concatenate([targets[:, 1:], np.full((len(rows), 1), NOT_COUNTED)], axis=1)
        return Example(inputs, targets, masked=True)

    def _hidden(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The tokens to predict, at least one: bool [B, T]. The first of a row, `<s>` or preceding context, is never
        predicted."""
        candidates = rows != PAD
        candidates[:, 0] = False
        if not self._ends:
            candidates &= rows != EOS_ID
        drawn = rng.random(rows.shape)
        if self._begins is not None:
            word = np.cumsum(self._begins[rows] & candidates, axis=1)
            drawn = np.take_along_axis(drawn, word, axis=1)
        hidden = candidates & (drawn < self._share)
        if not hidden.any():
            places = np.argwhere(candidates if candidates.any() else rows != PAD)
            hidden[tuple(places[rng.integers(len(places))])] = True
        return hidden


def word_beginnings(tokenizer: Tokenizer) -> np.ndarray:
    """The tokens that begin a word, bool [V]: pieces with a space before them, a space itself, `</s>`; for WordPiece, those
    that do not continue a word; every token of a word tokenizer."""
    pieces = tokenizer.vocabulary()
    space = getattr(tokenizer, "space", None) or SPACE_MARK
    spaced = np.array([piece[:1] == space or piece[:1].isspace() for piece in pieces])
    if not spaced.any():
        return np.array([not (piece.startswith(_CONTINUED) and len(piece) > len(_CONTINUED)) for piece in pieces])
    spaced[:_FIRST] = True
    return spaced
