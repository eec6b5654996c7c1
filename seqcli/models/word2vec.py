"""Skip-gram and continuous-bag-of-words embeddings, with character n-grams (word2vec, fastText; numpy for inference).

Mikolov et al. (2013), Bojanowski et al. (2017). Training uses torch (`nn/negative_sampling.py`), one process per core.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seqcli.embeddings.subwords import Subwords
from seqcli.embeddings.training import Keeper, shared
from seqcli.embeddings.vectors import WordVectors
from seqcli.errors import DivergedError, OutputError
from seqcli.interfaces import Reporter
from seqcli.models.ngram import Counted
from seqcli.ranges import CONTEXTS, DIM, LARGEST_SEED, check, one_of, ranged, within
from seqcli.system import memory
from seqcli.system.workers import ordered_map
from seqcli.text import BOS_ID, SPECIALS
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers.words import Words

TASK = "embeddings"
OBJECTIVES = ("skipgram", "cbow")
_PART = 20_000  # number of words that a process trains on before it requests more
_MOST_BUCKETS = 1 << 21


@dataclass(frozen=True)
class Config:
    """Settings of the embeddings and of the training."""

    objective: str = one_of(OBJECTIVES, default="skipgram", help="training objective; each --arch has its own")
    dim: int = ranged(DIM, 100, help="width of the vectors")
    window: int = ranged(
        CONTEXTS, 5, help="maximum number of context words on each side, drawn uniformly from 1 to window"
    )
    negatives: int = within(1, 1000, default=5, help="negative samples per pair")
    subsample: float = within(0, 1, default=1e-4, help="threshold for subsampling frequent words (0: no subsampling)")
    shortest: int = within(1, 100, default=3, help="shortest character n-gram")
    longest: int = within(0, 100, default=6, help="longest character n-gram (0: none)")
    buckets: int = within(
        0, 1 << 28, default=0, help="size of the n-gram hash table (0: chosen by the vocabulary size, at most 2^21)"
    )
    epochs: int = within(0, 1_000_000, default=5, help="passes over the text")
    minutes: float = within(
        0, 1e7, default=0.0, help="minutes from start to exit (0: no limit); training ends at the first limit reached"
    )
    learning_rate: float = within(
        0, 1000, default=0.05, open_low=True, help="learning rate of the first step; falls to 0"
    )
    seed: int = within(0, LARGEST_SEED, default=0, help="random seed")

    def __post_init__(self):
        check(self)
        if self.longest and self.shortest > self.longest:
            raise ValueError(f"shortest n-gram {self.shortest} is longer than longest {self.longest}")


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
    """Trains on a stream (int32 [T], `<s>` before each row, other special symbols left out).

    threads: number of training processes; with a single one, results are exactly reproducible. ends: when to stop, on the
    scale of `time.monotonic`. keeper: saves checkpoints, and restores the one that training resumes from. Raises
    DivergedError.
    """
    import torch

    from seqcli.nn import negative_sampling as sampling
    from seqcli.nn.device import one_thread

    counts = np.bincount(stream, minlength=words.vocab_size)[len(SPECIALS) :]
    subwords = subwords_for(words, config)
    rows = _rows(words, subwords)
    inputs, outputs = _tables(len(counts) + (subwords.buckets if subwords else 0), len(counts), config)
    tables = sampling.Tables(torch.from_numpy(inputs), torch.from_numpy(outputs), rows)
    drawing = sampling.Sampling.of(counts, window=config.window, negatives=config.negatives, subsample=config.subsample)
    learn = sampling.skipgram if config.objective == "skipgram" else sampling.cbow
    parts = _parts(stream)
    learning = {"inputs": inputs, "outputs": outputs}
    progress = keeper.restored(learning)
    begun, total, resumed = time.monotonic() - progress.seconds, config.epochs * len(parts), progress.parts

    def schedule() -> Iterator[tuple[int, int, float]]:
        """(epoch, part, learning rate)"""
        done = 0
        for epoch in range(config.epochs):
            for part in np.random.default_rng([config.seed, epoch]).permutation(len(parts)).tolist():
                now = time.monotonic()
                if now >= ends:
                    return
                if done >= resumed:
                    yield epoch, part, config.learning_rate * (1 - max(done / total, (now - begun) / (ends - begun)))
                done += 1

    def learnt(item: tuple[int, int, float]) -> tuple[int, float, int]:
        """The words of a part, the summed loss, and the number of terms in it."""
        epoch, number, rate = item
        part = parts[number]
        tokens = stream[part]
        row = np.cumsum(tokens == BOS_ID)
        own = tokens >= len(SPECIALS)
        rng, loss, count = np.random.default_rng([config.seed, epoch, number]), 0.0, 0
        for step in sampling.steps(tokens[own].astype(np.int64) - len(SPECIALS), row[own], drawing, rng):
            of_step, pairs = learn(tables, step, rate=rate, negatives=config.negatives)
            loss, count = loss + of_step, count + pairs
        return len(tokens), loss, count

    with one_thread(), keeper:  # there is a process for each core
        for size, loss, count in ordered_map(learnt, schedule(), workers=threads):
            progress.add(size, loss, count, kept=len(parts))
            if not math.isfinite(loss):
                raise DivergedError(
                    "the loss is not finite",
                    where=f"epoch {progress.units / len(stream):.2f}",
                    cure="try a smaller --learning-rate",
                )
            reporter.progress("learning", progress.units, config.epochs * len(stream))
            progress.seconds = time.monotonic() - begun
            if keeper.keep(learning, progress):
                break
    seconds = time.monotonic() - begun
    vectors = np.empty((len(counts), config.dim), np.float32)
    for first in range(0, len(counts), 1 << 14):
        some = np.arange(first, min(first + (1 << 14), len(counts)))
        used = rows.at(some)
        vectors[some] = np.add.reduceat(inputs[used.tokens], used.starts) / used.lengths[:, None]
    tensors: dict[str, np.ndarray] = {"vectors": vectors, "counts": counts.astype(np.int64)}
    if subwords:
        grams = inputs[len(counts) :]
        unseen = np.bincount(rows.tokens, minlength=len(inputs))[len(counts) :] == 0
        grams[unseen] = 0  # n-grams that occur in no word would add noise to the vectors of unknown words
        tensors["buckets"] = grams
    record = {
        "epochs": round(progress.units / max(len(stream), 1), 3),
        "words_per_second": round(progress.units / max(seconds, 1e-9)),
        "loss": progress.loss,
        "subwords": {"shortest": config.shortest, "longest": config.longest, "buckets": subwords.buckets}
        if subwords
        else None,
    }
    return Counted(tensors, record)


def subwords_for(words: Words, config: Config) -> Subwords | None:
    """The n-grams of these settings, None for none; without a given number of buckets, there are about twice as many as
    n-grams."""
    if not config.longest:
        return None
    if config.buckets:
        return Subwords(config.shortest, config.longest, config.buckets)
    found = Subwords(config.shortest, config.longest, _MOST_BUCKETS)
    data, ends = words.joined()
    lengths = np.diff(ends, prepend=0)
    distinct = len(np.unique(found.of(data, ends - lengths, lengths).tokens))
    return Subwords(config.shortest, config.longest, min(max(1 << (2 * distinct).bit_length(), 1 << 10), _MOST_BUCKETS))


def load(settings: Mapping, tensors: Mapping[str, np.ndarray], *, words: Words) -> WordVectors:
    longest, buckets = settings.get("longest"), tensors.get("buckets")
    subwords = Subwords(settings["shortest"], longest, len(buckets)) if longest and buckets is not None else None
    return WordVectors.checked(words, tensors["vectors"], subwords=subwords, buckets=buckets)


def _rows(words: Words, subwords: Subwords | None) -> TokenBatch:
    """The rows of the input table that make the vector of each word: its own, then its n-grams'."""
    data, ends = words.joined()
    own = TokenBatch(np.arange(len(ends), dtype=np.int32), np.ones(len(ends), np.int64))
    if subwords is None:
        return own
    lengths = np.diff(ends, prepend=0)
    grams = subwords.of(data, ends - lengths, lengths)
    return own.beside(TokenBatch(grams.tokens + np.int32(len(ends)), grams.lengths))


def _tables(inputs: int, outputs: int, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Both tables, in memory shared with forked processes. Raises OutputError if there is not enough."""
    needed, free = 4 * config.dim * (2 * inputs + outputs), memory.available()
    if free is not None and needed > free:
        raise OutputError(
            f"not enough memory: the tables take {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            cure="use a smaller --dim or --set buckets=N, or a larger --min-count",
        )
    table, out = shared(inputs, config.dim), shared(outputs, config.dim)
    rng = np.random.default_rng(config.seed)
    for first in range(0, inputs, 1 << 16):
        part = table[first : first + (1 << 16)]
        part[:] = (2 * rng.random(part.shape, np.float32) - 1) / np.float32(config.dim)
    return table, out


def _parts(stream: np.ndarray) -> list[slice]:
    """Splits the stream into parts of about `_PART` tokens; a row that is cut loses the pairs across the cut."""
    edges = np.linspace(0, len(stream), max(1, round(len(stream) / _PART)) + 1).astype(int).tolist()
    return [slice(begin, end) for begin, end in pairwise(edges)]
