"""GloVe word embeddings (Pennington et al. 2014): w_i . c_j + b_i + d_j predicts log x_ij, by Adagrad on weighted squares.

    loss = 1/2 sum over i, j of min(1, x_ij / most)^(3/4) (w_i . c_j + b_i + d_j - log x_ij)^2

The co-occurrences x_ij are counted by `embeddings/cooccurrence.py`. A word's vector is the sum of its vectors as word and as context.

A step processes many pairs at once; a row that is in several of them is updated by the sum of its gradients. Biases are the last
column of their tables. Tables are in shared memory, and one process per core updates them without locks. Training uses torch,
inference numpy.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seqcli.embeddings import cooccurrence
from seqcli.embeddings.training import Keeper, shared
from seqcli.embeddings.vectors import WordVectors
from seqcli.errors import DivergedError, InputError
from seqcli.interfaces import Reporter
from seqcli.models.ngram import Counted
from seqcli.ranges import CONTEXTS, DIM, LARGEST_SEED, check, ranged, within
from seqcli.system.workers import ordered_map
from seqcli.text import SPECIALS
from seqcli.tokenizers.words import Words

if TYPE_CHECKING:
    from torch import Tensor

TASK = "embeddings"
_PART = 1 << 16  # number of pairs that a process trains on before it requests more
_STEP = 4096  # pairs per step
_POWER = 0.75


@dataclass(frozen=True)
class Config:
    """Settings of the embeddings and of the training."""

    dim: int = ranged(DIM, 100, help="width of the vectors")
    window: int = ranged(CONTEXTS, 10, help="number of context words on each side")
    most: float = within(
        0, 1e9, default=10.0, open_low=True, help="co-occurrences from which on a pair has full weight"
    )
    epochs: int = within(0, 1_000_000, default=15, help="passes over the co-occurrences")
    minutes: float = within(
        0, 1e7, default=0.0, help="minutes from start to exit (0: no limit); training ends at the first limit reached"
    )
    learning_rate: float = within(0, 1000, default=0.1, open_low=True, help="learning rate of Adagrad")
    seed: int = within(0, LARGEST_SEED, default=0, help="random seed")

    def __post_init__(self):
        check(self)


class Table(NamedTuple):
    """values, squares: float32 [V, D + 1]; squares: 1 + the sum of squared gradients so far, each times the learning rate, as in the
    authors' program. Without it, steps of a rate of 0.05 are up to 20 times smaller."""

    values: Tensor
    squares: Tensor


def learn(words: Table, contexts: Table, i: Tensor, j: Tensor, x: Tensor, *, rate: float, most: float) -> float:
    """One step of Adagrad on pairs of numbers i, j (int64 [P]) that occur x (float32 [P]) times. Returns the summed loss."""
    import torch

    with torch.inference_mode():
        one, other = words.values.index_select(0, i), contexts.values.index_select(0, j)
        error, weight = errors(one, other, x, most=most)
        scaled = (error * weight)[:, None]
        of_one, of_other = other * scaled, one * scaled
        of_one[:, -1], of_other[:, -1] = scaled[:, 0], scaled[:, 0]
        for table, index, gradient in ((words, i, of_one), (contexts, j, of_other)):
            rows, place = torch.unique(index, return_inverse=True)
            total = torch.zeros(len(rows), gradient.shape[1])
            total.scatter_add_(0, place[:, None].expand(gradient.shape), gradient)
            total *= rate
            before = table.squares.index_select(0, rows)
            table.values.index_add_(0, rows, total / before.sqrt(), alpha=-1)
            table.squares.index_copy_(0, rows, before.addcmul_(total, total))
        return float((error * error * weight).sum() / 2)


def errors(one: Tensor, other: Tensor, x: Tensor, *, most: float) -> tuple[Tensor, Tensor]:
    """The error of the prediction of log x, and the weight of the pair: float32 [P] each. one, other: [P, D + 1]."""
    product = (one[:, :-1] * other[:, :-1]).sum(1) + one[:, -1] + other[:, -1]
    return product - x.log(), (x / most).clamp(max=1) ** _POWER


def estimate(
    stream: np.ndarray,
    words: Words,
    config: Config,
    *,
    threads: int,
    ends: float = math.inf,
    keeper: Keeper,
    reporter: Reporter,
) -> Counted:
    """Trains on a stream (int32 [T], `<s>` before each row, other special symbols left out); as for `word2vec.estimate`."""
    import torch

    from seqcli.nn.device import one_thread

    size = words.vocab_size - len(SPECIALS)
    begun = time.monotonic()
    pairs = cooccurrence.count(stream, size=size, window=config.window)
    if not len(pairs.weight):
        raise InputError("no word has a neighbour to train on", cure="give more text, or a smaller --min-count")
    biases = _biases(pairs, size)
    arrays = [_table(biases, config, seed=[config.seed, number]) for number in range(2)]
    as_word, as_context = (Table(*map(torch.from_numpy, each)) for each in arrays)
    learning = {
        f"{side}.{name}": array
        for side, each in zip(("words", "contexts"), arrays)
        for name, array in zip(("values", "squares"), each)
    }
    parts = max(1, len(pairs.weight) // _PART)
    progress = keeper.restored(learning)
    begun -= progress.seconds
    resumed = progress.parts

    def schedule() -> Iterator[tuple[int, int]]:
        for epoch in range(config.epochs):
            for part in range(parts):
                if time.monotonic() >= ends:
                    return
                if epoch * parts + part >= resumed:
                    yield epoch, part

    orders: dict[int, np.ndarray] = {}

    def learnt(item: tuple[int, int]) -> tuple[int, float]:
        """The number of pairs in a part of the epoch, and their summed loss."""
        epoch, part = item
        if epoch not in orders:
            orders.clear()
            orders[epoch] = np.random.default_rng([config.seed, 2, epoch]).permutation(len(pairs.weight))
        chosen, loss = orders[epoch][part::parts], 0.0
        for first in range(0, len(chosen), _STEP):
            some = chosen[first : first + _STEP]
            i, j = (torch.from_numpy(side[some].astype(np.int64)) for side in (pairs.first, pairs.second))
            x = torch.from_numpy(pairs.weight[some]) * (
                1 + (i == j)
            )  # a word beside itself is its context on both sides
            loss += learn(as_word, as_context, i, j, x, rate=config.learning_rate, most=config.most)
            other = i != j  # a pair counts twice: each word is the other's context
            i, j, x = i[other], j[other], x[other]
            loss += learn(as_word, as_context, j, i, x, rate=config.learning_rate, most=config.most)
        return len(chosen), loss

    with one_thread(), keeper:  # there is a process for each core
        for count, loss in ordered_map(learnt, schedule(), workers=threads):
            progress.add(count, loss, count, kept=parts)
            if not math.isfinite(loss):
                where = f"epoch {progress.units / len(pairs.weight):.2f}"
                raise DivergedError("the loss is not finite", where=where, cure="try a smaller --learning-rate")
            reporter.progress("learning", progress.units, config.epochs * len(pairs.weight))
            progress.seconds = time.monotonic() - begun
            if keeper.keep(learning, progress):
                break
    vectors = (as_word.values[:, :-1] + as_context.values[:, :-1]).numpy()
    epochs, seconds = progress.units / len(pairs.weight), time.monotonic() - begun
    counts = np.bincount(stream, minlength=words.vocab_size)[len(SPECIALS) :].astype(np.int64)
    record = {
        "epochs": round(epochs, 3),
        "pairs": len(pairs.weight),
        "words_per_second": round(epochs * len(stream) / max(seconds, 1e-9)),
        "loss": progress.loss,
        "subwords": None,
    }
    return Counted({"vectors": np.ascontiguousarray(vectors), "counts": counts}, record)


def load(settings: Mapping, tensors: Mapping[str, np.ndarray], *, words: Words) -> WordVectors:
    return WordVectors.checked(words, tensors["vectors"])


def _biases(pairs: cooccurrence.Cooccurrence, size: int) -> np.ndarray:
    """Biases for which b_i + b_j is log x_ij of words that are independent of each other, so that the vectors learn from the start how
    they are not: with biases of 0, most of a short training goes into learning how frequent words are. float64 [V]."""
    sums = np.bincount(pairs.first, pairs.weight, size) + np.bincount(pairs.second, pairs.weight, size)
    return np.log(np.maximum(sums, pairs.weight.min())) - np.log(sums.sum()) / 2


def _table(biases: np.ndarray, config: Config, *, seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Randomly initialised vectors beside biases, and Adagrad's accumulators, which begin at 1: float32 [V, D + 1] each."""
    values, squares = shared(len(biases), config.dim + 1), shared(len(biases), config.dim + 1)
    values[:] = (np.random.default_rng(seed).random(values.shape, np.float32) - np.float32(0.5)) / np.float32(
        config.dim
    )
    values[:, -1] = biases
    squares[:] = 1
    return values, squares
