"""Word vectors: lookup, composition of unknown words from character n-grams or tokens, cosine similarity, and principal components.

The vectors may be mapped into memory: a lookup reads only a few rows, a search for neighbours reads all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqcli.embeddings.subwords import Subwords
from seqcli.embeddings.sums import means
from seqcli.errors import ModelError
from seqcli.interfaces import Tokenizer
from seqcli.ragged import gather
from seqcli.text import SPECIALS, UNK_ID, Normalisation
from seqcli.token_batch import TokenBatch, owners
from seqcli.tokenizers.words import Split, Words, hashes

_AT_ONCE = 1 << 14  # rows


@dataclass(frozen=True)
class WordVectors:
    """vectors: float32 [V, D], of the words of `words` after its special tokens; buckets: float32 [n, D], of n-grams."""

    words: Words
    vectors: np.ndarray
    subwords: Subwords | None = None
    buckets: np.ndarray | None = None

    @classmethod
    def checked(
        cls, words: Words, vectors: np.ndarray, *, subwords: Subwords | None = None, buckets: np.ndarray | None = None
    ) -> WordVectors:
        """Raises ModelError if the shapes do not match."""
        size = words.vocab_size - len(SPECIALS)
        sound = vectors.ndim == 2 and vectors.dtype == np.float32 and len(vectors) == size and vectors.shape[1] > 0
        if subwords is not None:
            sound = sound and buckets is not None and buckets.dtype == np.float32
            sound = sound and buckets is not None and buckets.shape == (subwords.buckets, vectors.shape[1])
            sound = sound and subwords.buckets > 0 and 1 <= subwords.shortest <= subwords.longest <= 100
        if not sound:
            raise ModelError(
                "the vectors do not match the vocabulary or the settings", cure="restore the file or train again"
            )
        return cls(words, vectors, subwords, buckets)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def word(self, index: int) -> str:
        data, ends = self.words.joined()
        return data[ends[index - 1] if index else 0 : ends[index]].tobytes().decode("utf-8", "replace")

    def index(self, words: Sequence[str]) -> np.ndarray:
        """Rows of words, int64 [n]; -1 for unknown words. A word may contain blanks."""
        texts = [self.words.normalisation.text(word).encode() for word in words]
        lengths = np.array([len(text) for text in texts], np.int64)
        data = np.frombuffer(b"".join(texts) + bytes(8), np.uint8)
        return self._ids(hashes(data, np.cumsum(lengths) - lengths, lengths))

    def _ids(self, hashed: np.ndarray) -> np.ndarray:
        ids = self.words.ids_of(hashed).astype(np.int64)
        return np.where(ids == UNK_ID, -1, ids - len(SPECIALS))

    def of(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of words, float32 [n, D], and whether each has one: unknown words are composed of their n-grams, if the
        model has them; otherwise they are 0."""
        texts = [self.words.normalisation.text(word).encode() for word in words]
        lengths = np.array([len(text) for text in texts], np.int64)
        data = np.frombuffer(b"".join(texts) + bytes(8), np.uint8)
        return self._composed(data, np.cumsum(lengths) - lengths, lengths, self.index(words))

    def _composed(
        self, data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        known = index >= 0
        found = np.zeros((len(index), self.dim), np.float32)
        found[known] = self.vectors[index[known]]
        if self.subwords is not None and self.buckets is not None and not known.all():
            new = np.flatnonzero(~known)
            text = gather(data, starts[new], lengths[new])
            ends = np.cumsum(lengths[new])
            grams = self.subwords.of(text, ends - lengths[new], lengths[new])
            found[new] = means(self.buckets, grams)
            known = known.copy()
            known[new] = grams.lengths > 0
        return found, known

    def of_texts(self, lines: bytes) -> tuple[np.ndarray, np.ndarray]:
        """The mean of the vectors of each line's words, float32 [B, D], and how many of its words have none, int64 [B].

        lines: UTF-8, each ended by a line feed. A line without any known word is 0.
        """
        split = Split(self.words.normalisation.lines(lines), skipped=np.zeros(0, np.uint64))
        distinct, first, place = np.unique(split.hashes, return_index=True, return_inverse=True)
        vectors, known = self._composed(split.data, split.starts[first], split.lengths[first], self._ids(distinct))
        row = owners(split.line_words)
        total = np.zeros((len(split.line_words), self.dim), np.float32)
        np.add.at(total, row, vectors[place])
        count = np.bincount(row, known[place], minlength=len(total))
        return total / np.maximum(count, 1)[:, None].astype(np.float32), split.line_words - count.astype(np.int64)

    @cached_property
    def _norms(self) -> np.ndarray:
        """Lengths of all vectors, float32 [V]; 1 for those of length 0."""
        parts = [np.linalg.norm(self.vectors[i : i + _AT_ONCE], axis=1) for i in range(0, len(self), _AT_ONCE)]
        norms = np.concatenate([np.zeros(0, np.float32), *parts])
        norms[norms == 0] = 1
        return norms

    def nearest(self, vector: np.ndarray, *, k: int, without: Sequence[int] = ()) -> list[tuple[int, float]]:
        """The k words most similar to a vector (float [D]) and their cosine similarities, most similar first.

        without: rows that are left out.
        """
        similar = self.similarities(vector)
        similar[[index for index in without if index >= 0]] = -np.inf
        k = min(k, len(self) - len({index for index in without if index >= 0}))
        if k <= 0:
            return []
        best = np.argpartition(-similar, k - 1)[:k]
        best = best[np.lexsort((best, -similar[best]))]
        return [(int(index), float(similar[index])) for index in best]

    def similarities(self, vector: np.ndarray) -> np.ndarray:
        """Cosine similarity of every word to a vector: float32 [V]."""
        vector = unit(np.asarray(vector, np.float32))
        parts = [self.vectors[i : i + _AT_ONCE] @ vector for i in range(0, len(self), _AT_ONCE)]
        return np.concatenate([np.zeros(0, np.float32), *parts]) / self._norms


@dataclass(frozen=True)
class TokenVectors(WordVectors):
    """The token embeddings of a network: the vector of a word is the mean of those of its tokens. tokenizer: splits words into tokens; table: float32 [vocabulary, D], the embeddings of all tokens."""

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


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., D] of length 1; those of length 0 stay."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


def pca(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the two directions of largest variance, float64 [n, 2], and their shares of the variance, [2].

    vectors: [n, D]. The sign of a direction is chosen so that its largest weight is positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64) if len(vectors) else np.zeros((0, 1))
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    points, shares = np.zeros((len(centred), 2)), np.zeros(2)
    total = float((sizes**2).sum())
    for k, direction in enumerate(directions[:2]):
        sign = 1.0 if direction[np.abs(direction).argmax()] >= 0 else -1.0
        points[:, k] = centred @ direction * sign
        shares[k] = sizes[k] ** 2 / total if total else 0.0
    return points, shares


def vocabulary(words: Sequence[bytes] | np.ndarray, *, ends: np.ndarray | None = None) -> tuple[Words, np.ndarray]:
    """The distinct words in their order, and a mask of their first occurrences, bool [n].

    words: a list of bytes, or all of them joined (uint8) with their `ends`. The text is not normalised.
    """
    if ends is None:
        data = np.frombuffer(b"".join(words), np.uint8)
        ends = np.cumsum(np.array([len(word) for word in words], np.int64))
    else:
        data = np.asarray(words)
    lengths = np.diff(ends, prepend=0)
    found = hashes(np.concatenate([data, np.zeros(8, np.uint8)]), ends - lengths, lengths)
    first = np.zeros(len(found), bool)
    first[np.unique(found, return_index=True)[1]] = True
    text = gather(data, (ends - lengths)[first], lengths[first])
    made = Words.of(text.tobytes(), np.cumsum(lengths[first]), found[first])
    made.normalisation = Normalisation.NONE
    return made, first
