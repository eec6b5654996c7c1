"""A supervised fastText model as a classifier (Joulin et al. 2017, "Bag of tricks for efficient text classification").

    hidden = mean of the rows of the line's words and n-grams        p(label | text) = softmax(output @ hidden)

or another loss. The hidden vector of a line without known features is 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqcli import finite
from seqcli.data.labelled import PREFIX
from seqcli.embeddings.sums import sums
from seqcli.errors import ModelError
from seqcli.interop import limits
from seqcli.interop.fasttext import file
from seqcli.interop.fasttext.features import Dictionary, Words
from seqcli.interop.fasttext.file import LOSSES, FastTextFile
from seqcli.interop.fasttext.losses import HierarchicalSoftmax, Loss, OneVersusAll, Softmax

_NUMBERS = 1 << 22  # bytes of word sums held at a time
_PART = 1 << 20  # bytes of lines processed together: a word is looked up once


class FastTextClassifier:
    """A `Classifier` whose batch is the lines themselves."""

    precision = "fp32"

    def __init__(self, source: FastTextFile):
        assert source.output is not None
        self._input, self._dictionary = source.input, Dictionary(source)
        self.loss = _loss_of(source, np.ascontiguousarray(source.output.whole()))

    def classify(self, lines: bytes) -> np.ndarray:
        logits = self.loss.logits(self._hidden(lines))
        finite.check_logits(logits)
        return logits

    def probabilities(self, lines: bytes) -> np.ndarray:
        """The probabilities that fastText reports: float64 [B, C]."""
        reported = self.loss.reported(self._hidden(lines))
        finite.check_logits(reported)
        return reported

    def _hidden(self, lines: bytes) -> np.ndarray:
        """The hidden vectors, float32 [B, D]."""
        return np.concatenate([np.zeros((0, self._input.dim), np.float32), *map(self._hidden_part, _parts(lines))])

    def _hidden_part(self, lines: bytes) -> np.ndarray:
        take, dim, known = self._input.take, self._input.dim, self._dictionary
        words = known.words(lines)
        hidden = np.zeros((len(words.tokens.lengths), dim), np.float32)
        counts = np.zeros(len(hidden), np.int64)
        for part in words.parts(max(1, _NUMBERS // dim)):
            total, count = self._words(part)
            hidden += sums(lambda ids: total.take(ids, axis=0, mode="clip"), part.tokens, dim=dim)  # noqa: B023
            until = np.concatenate([[0], np.cumsum(count[part.tokens.tokens])])
            ends = np.cumsum(part.tokens.lengths)
            counts += until[ends] - until[ends - part.tokens.lengths]
        if known.end is not None:
            hidden += take(np.array([known.end]))
            counts += 1
        for grams in known.word_grams(words):
            hidden += sums(take, grams, dim=dim)
            counts += grams.lengths
        hidden /= np.maximum(counts, 1)[:, None].astype(np.float32)
        if not np.isfinite(hidden).all():
            raise ModelError("a vector contains NaN or infinity", cure=limits.CURE)
        return hidden

    def _words(self, words: Words) -> tuple[np.ndarray, np.ndarray]:
        """The sum of rows of each distinct word, float32 [d, D], and the number of rows, int64 [d]."""
        take, dim = self._input.take, self._input.dim
        total = np.zeros((len(words.starts), dim), np.float32)
        own = words.rows >= 0
        total[own] = take(words.rows[own])
        count = own.astype(np.int64)
        for first, grams in self._dictionary.grams(words):
            some = slice(first, first + len(grams.lengths))
            total[some] += sums(take, grams, dim=dim)
            count[some] += grams.lengths
        return total, count


def read(path: str) -> tuple[FastTextFile, FastTextClassifier]:
    """Opens a model file; returns the model and its metadata. Raises ModelError if the file is damaged."""
    try:
        source = file.read(path, output=True)
        return source, FastTextClassifier(source)
    except ModelError as error:
        raise ModelError(error.what, where=path, cure=error.cure) from None
    except ValueError as error:
        raise ModelError(f"damaged or truncated fastText model ({error})", where=path, cure=limits.CURE) from None


def labels_of(source: FastTextFile) -> list[str]:
    """Removes `__label__` if all labels begin with it."""
    labels = [label.decode("utf-8", "backslashreplace") for label in source.labels]
    short = [label.removeprefix(PREFIX) for label in labels]
    return short if all(short) and len({*short}) == len(short) else labels


def features_label(source: FastTextFile) -> str:
    """The features, for a signature: `words-7235+char2-4/2000000`."""
    subwords, orders = source.subwords, source.word_ngrams
    parts = [f"words-{len(source.words)}"]
    parts += [] if subwords is None else [f"char{subwords.shortest}-{subwords.longest}"]
    parts += [] if orders < 2 else [f"word1-{orders}"]
    return "+".join(parts) + (f"/{source.arguments.bucket}" if len(parts) > 1 else "")


def _loss_of(source: FastTextFile, output: np.ndarray) -> Loss:
    if len(output) != len(source.labels) or not len(output):
        raise ValueError(f"{len(output):,} rows for {len(source.labels):,} labels")
    finite.check_weights({"the output matrix": output})
    name = LOSSES[source.arguments.loss]
    if name == "hs":
        return HierarchicalSoftmax(output, source.label_counts)
    return Softmax(output) if name == "softmax" else OneVersusAll(output)


def _parts(lines: bytes) -> Iterator[bytes]:
    """Complete lines, about `_PART` bytes at a time."""
    start = 0
    while start < len(lines):
        end = lines.find(b"\n", min(start + _PART, len(lines) - 1)) + 1
        yield lines[start:end]
        start = end
