"""n-gram language models with interpolated modified Kneser-Ney smoothing (numpy; no torch).

They are counted, not trained: `estimate` reads the corpus once. The engine is `ngram/`; this module provides the interface
of a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from seqcli import finite
from seqcli.errors import InputError, ModelError
from seqcli.interfaces import Reporter, Scores
from seqcli.ngram import counts, kneser_ney
from seqcli.ngram.arena import Arena
from seqcli.ngram.level import Level
from seqcli.ngram.quantised import BITS, QuantisedTable, parameters, quantised
from seqcli.ngram.table import Table
from seqcli.ranges import check, each, within
from seqcli.text import BOS_ID, EOS_ID, UNK_ID
from seqcli.token_batch import TokenBatch

TASK = "language"
LARGEST_ORDER = 10
_LOGITS = 1 << 21  # log-probabilities computed at a time


@dataclass(frozen=True)
class Config:
    """Settings of a Kneser-Ney model."""

    order: int = within(1, LARGEST_ORDER, default=5, help="length of the longest n-gram")
    prune: tuple[int, ...] = each(
        0, 1 << 31, default=(), help="for each order, drop n-grams that occur at most this often (as lmplz --prune)"
    )
    quantize: int = within(0, 8, default=0, help="bits of a probability in the model: 8, or 0 for float32")

    def __post_init__(self):
        check(self)
        if self.quantize not in (0, BITS):
            raise ValueError(f"quantize must be {BITS}, or 0 for float32")
        if len(self.prune) > self.order:
            raise ValueError(f"prune has {len(self.prune)} thresholds for order {self.order}")
        if list(self.prune) != sorted(self.prune):
            raise ValueError("prune thresholds must not decrease from one order to the next")
        if self.prune and self.prune[0]:
            raise ValueError("unigrams cannot be pruned; drop rare words with --min-count instead")


@dataclass(frozen=True)
class NgramState:
    """The context that a model of order N uses."""

    context: np.ndarray  # int32 [B, N - 1], right-aligned; -1 before `<s>`

    def reorder(self, rows: np.ndarray) -> NgramState:
        return NgramState(self.context[rows])


@contextmanager
def _sound_table() -> Iterator[None]:
    """Converts errors of damaged tables: large ones are not read completely when they are opened, so damage shows as an
    invalid row."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # results are checked
            yield
    except IndexError:
        cure = "`seqcli info DIR --verify` says where; restore it or train again"
        raise ModelError("damaged n-gram table", cure=cure) from None


class NgramModel:
    """A `LanguageModel` over a `Table`."""

    logits_are_log_probs = True

    def __init__(self, table: Table):
        self.table, self.precision = table, table.precision
        self.vocab_size = table.vocab_size
        self.horizon = table.order - 1

    @_sound_table()
    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        stream, scored = batch.with_starts([BOS_ID] if context is None else np.append(BOS_ID, context))
        log_prob, order = self.table.score(stream)
        ranks = self._ranks(stream, scored) if rank else None
        return Scores(log_prob[scored], order[scored], ranks)

    def _ranks(self, stream: np.ndarray, scored: np.ndarray) -> np.ndarray:
        ranks = []
        for at in np.flatnonzero(scored):
            begin = max(0, at - self.table.order + 1)
            starts = np.flatnonzero(stream[begin:at] == BOS_ID)
            context = stream[begin + starts[-1] if len(starts) else begin : at]
            p = self.table.distribution(context)
            ranks.append(1 + int((p > p[stream[at]]).sum()))
        return np.array(ranks, np.int64)

    @_sound_table()
    def extend(
        self, tokens: np.ndarray, lengths: np.ndarray, state: NgramState | None = None
    ) -> tuple[np.ndarray, NgramState]:
        if state is None:
            context = np.full((len(tokens), self.horizon), -1, np.int32)
            context[:, -1:] = BOS_ID
        else:
            context = state.context
        read = np.concatenate([context, tokens], axis=1)
        last = lengths[:, None] + np.arange(self.horizon)
        state = NgramState(np.take_along_axis(read, last, axis=1))
        log_p = self.table.log_distributions(state.context).astype(np.float32)
        finite.check_logits(log_p)
        return log_p, state

    def distributions(self, row: np.ndarray) -> Iterator[np.ndarray]:
        """See `interfaces.Distributions`."""
        read = np.concatenate(
            [np.full(max(0, self.horizon - 1), -1), [BOS_ID], row]
        )  # a context ends at each token but the last
        step = max(1, _LOGITS // self.vocab_size)
        for begin in range(0, len(row), step):
            ends = np.arange(begin, min(begin + step, len(row)))[:, None]
            with _sound_table():
                log_p = self.table.log_distributions(read[ends + np.arange(self.horizon)]).astype(np.float32)
            finite.check_logits(log_p)
            yield log_p

    @_sound_table()
    def next_distribution(self, context: np.ndarray) -> np.ndarray:
        """p(token | `<s>` context) for every token, float64 [V]."""
        p = self.table.distribution(np.concatenate([[BOS_ID], context]))
        finite.check_log_probs(p)
        return p


@dataclass(frozen=True)
class Counted:
    """The result of `estimate`: arrays to save, the record, and notes."""

    tensors: dict[str, np.ndarray]
    record: dict

    @property
    def parameters(self) -> int:
        return parameters(self.tensors)


def estimate(
    stream: np.ndarray, config: Config, *, vocab_size: int, arena: Arena, reporter: Reporter, workers: int | None = None
) -> Counted:  # fmt: skip
    """Estimates a model of `stream` (int32 [T], `<s>` before each row). Its arrays exist as long as `arena`. workers: threads,
    None for one per core."""
    if len(stream) == 0 or (int(stream.max()) <= EOS_ID and int(stream.min()) > UNK_ID):
        raise InputError("no text to train on", cure="give at least one line with a word")
    levels = counts.count(
        stream, vocab_size=vocab_size, order=config.order, arena=arena, workers=workers, reporter=reporter
    )
    return smoothed(levels, config, arena=arena, reporter=reporter)


def smoothed(levels: list[Level], config: Config, *, arena: Arena, reporter: Reporter) -> Counted:
    """Estimates a model from counted n-grams."""
    made = kneser_ney.smooth(levels, arena=arena, prune=config.prune, reporter=reporter)
    fallback = [n for n, discounts in enumerate(made.discounts, 1) if discounts.fallback]
    if fallback:
        reporter.note(
            f"text too small or too repetitive to estimate the Kneser-Ney discounts of order "
            f"{', '.join(map(str, fallback))}; using 0.5, 1, 1.5"
        )
    table = quantised(made.table, arena=arena) if config.quantize else made.table
    record = {
        "ngrams": table.sizes,
        "ngrams_seen": made.seen,
        "discounts": [list(d[:3]) for d in made.discounts],
        "fallback_discounts": fallback,
    }
    return Counted(table.tensors(), record)


def load(config: Mapping, tensors: dict[str, np.ndarray], *, vocab_size: int) -> NgramModel:
    made = {"quantize": 0, **config}  # missing in folders of earlier versions
    settings = Config(order=made["order"], prune=tuple(made["prune"]), quantize=made["quantize"])
    kind = QuantisedTable if settings.quantize else Table
    return NgramModel(kind.from_tensors(tensors, order=settings.order, vocab_size=vocab_size))
