"""Skip-gram and continuous bag of words with negative sampling (Mikolov et al. 2013), many words per step.

Running text is cut into chunks of T words with up to `window` context words on both sides. Instead of processing one word
pair at a time, all words of a chunk are multiplied by all their possible contexts and by negatives that the chunk shares
(Ji et al. 2016, "Parallelizing word2vec in shared and distributed memory"), and a mask selects the products
that are pairs: the same sums, computed by matrix products. A word's vector is the mean of its own row and those of its
character n-grams (Bojanowski et al. 2017) and is computed once per step, however often the word occurs.

The gradients of the loss are computed explicitly and applied by plain SGD, as in word2vec:

    loss = - sum over pairs (log sigmoid(h . o) + sum over its negatives log sigmoid(-h . n))

All gradients of a step are computed from the weights at its beginning. A row that is in very many pairs would overshoot, so its
update is limited to that of `_FARTHEST` / rate pairs; this affects small vocabularies and frequent n-grams.

Tables are in shared memory, and several processes update them without locks (Recht et al. 2011, Hogwild).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.token_batch import TokenBatch

CHUNK = 32  # words per chunk (T)
TOGETHER = 8  # chunks per step: larger steps are faster, but their gradients are more stale
SHARED = 32  # negatives per chunk (K)
_OUTSIDE = -1  # outside of the text
_FARTHEST = 1.0  # maximum of learning rate x pairs in one update of a row


@dataclass(frozen=True)
class Sampling:
    """The random choices. keep: float64 [V], the probability that an occurrence of a word is kept; negatives: number per pair;
    cumulative: float64 [V], the cumulative distribution of negatives; window: its maximum."""

    keep: np.ndarray
    cumulative: np.ndarray
    window: int
    negatives: int

    @classmethod
    def of(cls, counts: np.ndarray, *, window: int, negatives: int, subsample: float, power: float = 0.5) -> Sampling:
        """counts: of each word. subsample: frequency above which words are subsampled (0: none)."""
        share = counts / max(counts.sum(), 1)
        ratio = subsample / np.maximum(share, 1e-300)
        keep = np.minimum(1, np.sqrt(ratio) + ratio) if subsample else np.ones(len(counts))
        weight = np.cumsum(counts.astype(np.float64) ** power)
        return cls(keep, weight / weight[-1], window, negatives)


@dataclass(frozen=True)
class Tables:
    """The parameters. inputs: float32 [V + buckets, D], words and then n-grams; outputs: float32 [V, D].

    rows: for each word the rows of `inputs` whose mean is its vector, its own first.
    """

    inputs: Tensor
    outputs: Tensor
    rows: TokenBatch


@dataclass(frozen=True)
class Step:
    """Words of C chunks with `window` words on both sides. words: int64 [C, T + 2 W]; pairs: bool [C, T, T + 2 W], which of
    them are a chunk word's contexts; negatives: int64 [C, K]."""

    words: np.ndarray
    pairs: np.ndarray
    negatives: np.ndarray

    @property
    def centers(self) -> np.ndarray:
        """int64 [C, T]"""
        window = (self.words.shape[1] - self.pairs.shape[1]) // 2
        return self.words[:, window : window + self.pairs.shape[1]]


def steps(
    words: np.ndarray, row: np.ndarray, sampling: Sampling, rng: np.random.Generator, *, chunk: int = CHUNK,
    together: int = TOGETHER, shared: int = SHARED,
) -> Iterator[Step]:  # fmt: skip
    """The text in steps, chunks in random order. words: int64 [n]; row: int64 [n], of each word; contexts do not cross rows."""
    kept = rng.random(len(words)) < sampling.keep[words]
    words, row = words[kept], row[kept]
    if not len(words):
        return
    side = sampling.window
    chunks = -(-len(words) // chunk)
    after = chunks * chunk - len(words) + side
    words = np.concatenate([np.zeros(side, np.int64), words, np.zeros(after, np.int64)])
    row = np.concatenate([np.full(side, _OUTSIDE), row, np.full(after, _OUTSIDE)])
    places = np.arange(chunk + 2 * side)
    distance = np.abs(places[None, :] - side - np.arange(chunk)[:, None])  # [T, T + 2 W]
    order = rng.permutation(chunks) * chunk
    for first in range(0, chunks, together):
        at = order[first : first + together, None] + places
        seen, of_row = words[at], row[at]
        middle = of_row[:, side : side + chunk, None]
        reach = rng.integers(1, side + 1, middle.shape)
        pairs = (distance <= reach) & (distance > 0) & (middle == of_row[:, None, :]) & (middle != _OUTSIDE)
        drawn = np.searchsorted(sampling.cumulative, rng.random((len(at), shared)), side="right")
        yield Step(seen, pairs, np.minimum(drawn, len(sampling.cumulative) - 1))


def skipgram(tables: Tables, step: Step, *, rate: float, negatives: int) -> tuple[float, int]:
    """Predicts each context of a word from the word. Updates the tables; returns the summed loss and the number of pairs."""
    with torch.inference_mode():
        vectors, back = _vectors(tables, step.centers)
        others = torch.from_numpy(np.concatenate([step.words, step.negatives], axis=1))  # [C, T + 2 W + K]
        hidden = vectors.view(*step.centers.shape, -1)  # [C, T, D]
        targets = _rows(tables.outputs, others)  # [C, T + 2 W + K, D]
        pairs = torch.from_numpy(step.pairs).float()
        scores = torch.bmm(hidden, targets.mT)  # [C, T, T + 2 W + K]
        weight = pairs.sum(2, keepdim=True) * (negatives / step.negatives.shape[1])
        loss, change = _judged(scores, pairs, weight, rate=rate)
        moves, of_targets = torch.bmm(change, targets), torch.bmm(change.mT, hidden)
        counts = torch.cat([pairs.sum(1), weight.sum(1).expand(step.negatives.shape)], dim=1)  # pairs of each target
        _add(tables.outputs, others, of_targets, counts, rate=rate)
        back(moves, pairs.sum(2), rate=rate)
        return loss, int(step.pairs.sum())


def cbow(tables: Tables, step: Step, *, rate: float, negatives: int) -> tuple[float, int]:
    """Predicts each word from the mean of its contexts. Updates the tables; returns the summed loss and the number of words."""
    with torch.inference_mode():
        vectors, back = _vectors(tables, step.words)
        around = vectors.view(*step.words.shape, -1)  # [C, T + 2 W, D]
        pairs = torch.from_numpy(step.pairs).float()
        count = pairs.sum(2, keepdim=True)  # [C, T, 1]
        hidden = torch.bmm(pairs / count.clamp_min(1), around)  # [C, T, D]
        others = torch.from_numpy(np.concatenate([step.centers, step.negatives], axis=1))  # [C, T + K]
        targets = _rows(tables.outputs, others)
        scores = torch.bmm(hidden, targets.mT)  # [C, T, T + K]
        some = (count > 0).float()
        own = torch.eye(step.pairs.shape[1]) * some
        weight = some * (negatives / step.negatives.shape[1])
        loss, change = _judged(scores, own, weight, rate=rate)
        moves = torch.bmm(change, targets)  # update of the mean, which word2vec applies in full to each context
        counts = torch.cat([some[:, :, 0], weight.sum(1).expand(step.negatives.shape)], dim=1)
        _add(tables.outputs, others, torch.bmm(change.mT, hidden), counts, rate=rate)
        back(torch.bmm(pairs.mT, moves), pairs.sum(1), rate=rate)
        return loss, int(some.sum())


def _judged(scores: Tensor, positive: Tensor, weight: Tensor, *, rate: float) -> tuple[float, Tensor]:
    """The loss and `-rate` times its derivative. scores: [C, T, n + K], the last K for negatives; positive: [C, T, n] of 0 and
    1; weight: [C, T, 1], the weight of each negative. The scores are overwritten."""
    n = positive.shape[2]
    loss = -(F.logsigmoid(scores[:, :, :n]) * positive).sum() + (F.softplus(scores[:, :, n:]) * weight).sum()
    change = scores.sigmoid_()
    change[:, :, :n].neg_().add_(1).mul_(positive)
    change[:, :, n:].mul_(-weight)
    return float(loss), change.mul_(rate)


def _vectors(tables: Tables, words: np.ndarray):
    """The vectors of words (flattened), float32 [n, D], and a function that applies their updates to the rows they consist of."""
    rows = tables.rows
    distinct, place = np.unique(words.ravel(), return_inverse=True)
    used = rows.at(distinct)
    ids, index = torch.from_numpy(used.tokens.astype(np.int64)), torch.from_numpy(place)
    composed = F.embedding_bag(ids, tables.inputs, torch.from_numpy(used.starts), mode="mean")

    def back(moves: Tensor, counts: Tensor, *, rate: float) -> None:
        """counts: number of pairs behind the update of each word, [n]."""
        of_words = torch.zeros_like(composed)
        _scatter(of_words, index, moves.reshape(len(place), -1))
        pairs = torch.zeros(len(composed)).scatter_add_(0, index, counts.reshape(-1))
        sizes = torch.from_numpy(used.lengths)
        # As in fastText, each row gets the full update of its word, not its share of the mean.
        _add(tables.inputs, ids, of_words.repeat_interleave(sizes, 0), pairs.repeat_interleave(sizes), rate=rate)

    return composed.index_select(0, index), back


def _rows(table: Tensor, index: Tensor) -> Tensor:
    return table.index_select(0, index.view(-1)).view(*index.shape, -1)


def _add(table: Tensor, index: Tensor, values: Tensor, counts: Tensor, *, rate: float) -> None:
    """table[index] += values, with repeated indices summed and limited. counts: shaped like index, the pairs behind each value."""
    values, flat = values.reshape(-1, table.shape[1]), index.reshape(-1)
    pairs = torch.zeros(len(table)).scatter_add_(0, flat, counts.reshape(-1))[flat]
    if float(pairs.max()) * rate > _FARTHEST:
        values = values * (_FARTHEST / rate / pairs.clamp_min(1e-9)).clamp_max(1)[:, None]
    _scatter(table, flat, values)


def _scatter(table: Tensor, index: Tensor, values: Tensor) -> None:
    """table[index] += values, with repeated indices summed; faster than `index_add_`."""
    table.scatter_add_(0, index[:, None].expand(values.shape), values)
