"""Batches for training, as a function of (seed, epoch, index), so that resuming needs to remember only two numbers.

A corpus is a stream of tokens with `<s>` before each row. Lines are batched by similar length. Running text is read in
windows at random positions or, for models that carry a state, in parallel lanes from step to step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from seqcli.text import BOS_ID, EOS_ID, PAD
from seqcli.token_batch import TokenBatch, padded, places, rows_of

_SORTED_TOGETHER = 64  # number of batches whose rows are sorted by length together
NOT_COUNTED = -1


class Example(NamedTuple):
    """One batch. inputs, targets: int64 [B, T]; the target at a position is the next input, or NOT_COUNTED if there is none.

    carries: the model's state is carried over from the previous batch. For labelled rows, targets are the labels, int64
    [B], or their probabilities, float32 [B, C]. For pairs (`paired`), inputs are the sources and targets the translations, which begin with `<s>`; that is not
    predicted. masked: some inputs are hidden, and these are the targets.
    """

    inputs: np.ndarray
    targets: np.ndarray
    carries: bool = False
    masked: bool = False
    paired: bool = False

    @property
    def counted(self) -> np.ndarray:
        """Flat indices of the targets that count: int64 [n]."""
        targets = self.targets[:, 1:] if self.paired else self.targets
        if targets.dtype.kind == "f":
            targets = targets[:, 0]
        return np.flatnonzero(targets != NOT_COUNTED)


class Batches(Protocol):
    def length(self, epoch: int) -> int:
        """The number of batches in an epoch."""

    def get(self, epoch: int, index: int) -> Example: ...


class OfLikeLength:
    """Rows of similar length in batches of about `batch_tokens` tokens, padding included; every row once per epoch. lengths:
    int64 [N]."""

    round_to = 8  # lengths are rounded up to multiples of this, so that kernels compiled for a shape are reused

    def __init__(self, lengths: np.ndarray, *, batch_tokens: int, seed: int):
        self._lengths, self._seed, self._budget = lengths, seed, batch_tokens
        self._epoch = -1
        self._groups: list[np.ndarray] = []  # of epoch `_epoch`

    def length(self, epoch: int) -> int:
        return len(self._plan(epoch))

    def _plan(self, epoch: int) -> list[np.ndarray]:
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, epoch])
            order = rng.permutation(len(self._lengths))
            mean = max(1.0, float(self._lengths.mean()))
            together = max(1, int(_SORTED_TOGETHER * self._budget / mean))
            groups = []
            for begin in range(0, len(order), together):
                part = order[begin : begin + together]
                groups += self._cut(part[np.argsort(self._lengths[part], kind="stable")])
            self._groups = [groups[i] for i in rng.permutation(len(groups))]
            self._epoch = epoch
        return self._groups

    def _cut(self, rows: np.ndarray) -> list[np.ndarray]:
        """Splits rows, shortest first, into groups as large as the budget allows."""
        lengths, groups, begin = self._rounded(self._lengths[rows]).tolist(), [], 0
        while begin < len(rows):
            most = min(len(rows), begin + max(1, self._budget // lengths[begin]))
            # (end - begin) * lengths[end - 1] grows with end, so bisection finds the last end that fits
            end = begin + max(
                1, bisect_right(range(1, most - begin + 1), self._budget, key=lambda n: n * lengths[begin + n - 1])
            )
            groups.append(rows[begin:end])
            begin = end
        return groups

    def _padded(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return padded(rows, fill=PAD, round_to=self.round_to)

    def _rounded(self, length):
        return (length + self.round_to - 1) // self.round_to * self.round_to


class Lines(OfLikeLength):
    """Rows of a stream. longest: longer rows are cut into several."""

    def __init__(self, stream: np.ndarray, *, batch_tokens: int, seed: int, longest: int | None = None):
        self._stream = stream
        begins, lengths = rows_of(stream)
        if longest is not None:  # cut rows that do not fit into a window
            parts = np.maximum(-(-lengths // longest), 1)
            number = places(parts)  # index of each part within its row
            begins = np.repeat(begins, parts) + number * longest
            lengths = np.minimum(np.repeat(lengths, parts) - number * longest, longest)
        kept = lengths > 0
        self._begins = begins[kept]
        super().__init__(lengths[kept], batch_tokens=batch_tokens, seed=seed)

    def get(self, epoch: int, index: int) -> Example:
        rows = self._plan(epoch)[index]
        longest = int(self._rounded(self._lengths[rows].max()))
        inputs, targets = np.zeros((len(rows), longest), np.int64), np.full((len(rows), longest), NOT_COUNTED, np.int64)
        for line, row in enumerate(rows):
            begin, length = self._begins[row], self._lengths[row]
            inputs[line, :length] = self._stream[begin : begin + length]
            targets[line, :length] = self._stream[begin + 1 : begin + length + 1]
        return Example(inputs, targets)


class Labelled(OfLikeLength):
    """Rows of a stream with a label each, int [N], or with the probabilities of all labels, float32 [N, C]. Padded with PAD.

    longest: longer rows are truncated; closed: but keep their `</s>`. changed: applied to the tokens of a row, given a
    random generator for this epoch and batch (`data/piece_dropout`).
    """

    def __init__(
        self, stream: np.ndarray, labels: np.ndarray, *, batch_tokens: int, seed: int, longest: int, closed: bool = False,
        changed: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    ):  # fmt: skip
        self._begins, lengths = rows_of(stream)
        assert len(labels) == len(lengths) and (lengths > 0).all(), "every row has a label, and a token"
        super().__init__(np.minimum(lengths + 1, longest), batch_tokens=batch_tokens, seed=seed)  # including `<s>`
        self._labels = labels if labels.dtype.kind == "f" else labels.astype(np.int64)
        self._stream, self._longest, self._changed = stream, longest, changed
        self._cut_off = closed & (lengths + 1 > longest)

    def get(self, epoch: int, index: int) -> Example:
        numbers = self._plan(epoch)[index]
        rows = [self._stream[self._begins[n] : self._begins[n] + self._lengths[n]] for n in numbers]
        rows = [
            np.append(row[:-1], row.dtype.type(EOS_ID)) if self._cut_off[n] else row for n, row in zip(numbers, rows)
        ]
        if self._changed:
            rng = np.random.default_rng([self._seed, epoch, index, 1])
            rows = [self._changed(row, rng)[: self._longest] for row in rows]
        return Example(self._padded(rows), self._labels[numbers])


class Pairs(OfLikeLength):
    """Sources and translations, as rows of two batches, padded with PAD; translations begin with `<s>`.

    The size of a pair is that of its longer side, `<s>` included. changed: see `Labelled`; for the source and the target.
    """

    round_to = 2

    def __init__(
        self, source: TokenBatch, target: TokenBatch, *, batch_tokens: int, seed: int,
        changed: tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], ...] = (),
    ):  # fmt: skip
        super().__init__(np.maximum(source.lengths, target.lengths + 1), batch_tokens=batch_tokens, seed=seed)
        self._sides, self._changed = (source, target), changed
        self._begins = tuple(side.starts for side in self._sides)

    def get(self, epoch: int, index: int) -> Example:
        numbers = self._plan(epoch)[index]
        rng = np.random.default_rng([self._seed, epoch, index, 1])
        source, target = (self._rows_of(side, numbers, rng) for side in (0, 1))
        return Example(self._padded(source), self._padded([np.append(BOS_ID, row) for row in target]), paired=True)

    def _rows_of(self, side: int, numbers: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        batch, begins = self._sides[side], self._begins[side]
        rows = [batch.tokens[begins[n] : begins[n] + batch.lengths[n]] for n in numbers]
        return [self._changed[side](row, rng) for row in rows] if self._changed else rows


class Windows:
    """Windows of `width` tokens at random positions of a text; an epoch has as many as are needed to cover the text once."""

    def __init__(self, stream: np.ndarray, *, width: int, batch_tokens: int, seed: int):
        self._stream, self._seed = stream, seed
        self._width = min(width, max(1, len(stream) - 1))
        self._rows = max(1, batch_tokens // self._width)

    def length(self, epoch: int) -> int:
        return max(1, len(self._stream) // (self._rows * self._width))

    def get(self, epoch: int, index: int) -> Example:
        rng = np.random.default_rng([self._seed, epoch, index])
        begins = rng.integers(len(self._stream) - self._width, size=self._rows)
        return _example(self._stream, begins, self._width)


class Lanes:
    """A text cut into B lanes, read in parallel in steps of `width` tokens; the state is carried from step to step.

    Every epoch begins at a different position, so that the cuts move.
    """

    def __init__(self, stream: np.ndarray, *, width: int, batch_tokens: int, seed: int):
        self._stream, self._seed = stream, seed
        self._rows = max(1, min(batch_tokens // width, (len(stream) - 1) // width))
        self._width = min(width, max(1, len(stream) - 1))
        self._lane = (len(stream) - 1) // self._rows

    def length(self, epoch: int) -> int:
        return max(1, self._lane // self._width)

    def get(self, epoch: int, index: int) -> Example:
        shift = int(np.random.default_rng([self._seed, epoch]).integers(max(1, self._lane % self._width + 1)))
        begins = np.arange(self._rows) * self._lane + shift + index * self._width
        return _example(self._stream, begins, self._width, carries=index > 0)


def _example(stream: np.ndarray, begins: np.ndarray, width: int, *, carries: bool = False) -> Example:
    tokens = stream[begins[:, None] + np.arange(width + 1)].astype(np.int64)
    inputs, targets = tokens[:, :-1], tokens[:, 1:].copy()
    targets[targets == BOS_ID] = NOT_COUNTED  # a new text begins
    return Example(inputs, targets, carries)
