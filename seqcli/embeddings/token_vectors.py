"""The token embeddings of a network as word vectors: the vector of a word is the mean of those of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.embeddings.sums import means
from seqcli.embeddings.vectors import WordVectors, vocabulary
from seqcli.interfaces import Tokenizer
from seqcli.text import SPECIALS, UNK_ID
from seqcli.token_batch import TokenBatch


@dataclass(frozen=True)
class TokenVectors(WordVectors):
    """tokenizer: splits words into tokens; table: float32 [vocabulary, D], the embeddings of all tokens."""

    tokenizer: Tokenizer | None = None
    table: np.ndarray | None = None

    @classmethod
    def of_tokens(cls, tokenizer: Tokenizer, table: np.ndarray) -> TokenVectors:
        """table: float32 [V, D] for the vocabulary of the tokenizer, whose first three tokens are not words."""
        pieces = [piece.encode("utf-8", "surrogateescape") for piece in tokenizer.vocabulary()[len(SPECIALS) :]]
        words, first = vocabulary(pieces)
        made = WordVectors.checked(words, np.ascontiguousarray(table[len(SPECIALS) :][first]))
        return cls(made.words, made.vectors, tokenizer=tokenizer, table=table)

    def of(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As `WordVectors.of`; a word has a vector if none of its tokens is `<unk>`."""
        assert self.tokenizer is not None and self.table is not None
        tokens = self._tokens(words)
        known = np.array([len(row) > 0 and UNK_ID not in row for row in tokens.rows], bool)
        vectors = means(self.table, tokens)
        vectors[~known] = 0
        return vectors, known

    def index(self, words: Sequence[str]) -> np.ndarray:
        """Rows of the words that are a single token; -1 for others."""
        assert self.tokenizer is not None
        tokens, names = self._tokens(words), self.tokenizer.vocabulary()
        single = [names[row[0]] if len(row) == 1 and row[0] >= len(SPECIALS) else "" for row in tokens.rows]
        return np.where([name != "" for name in single], super().index(single), -1)

    def _tokens(self, words: Sequence[str]) -> TokenBatch:
        """The tokens of each word, without `</s>`."""
        assert self.tokenizer is not None
        lines = "".join(word.replace("\n", " ") + "\n" for word in words).encode()
        return self.tokenizer.encode(lines).without_last() if words else TokenBatch.of([])
