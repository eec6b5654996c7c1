"""Log-probabilities of whole records: what every other question to a language model is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.data.lines import Block, block_of
from seqcli.interfaces import OpenModel, Scores, TokenBatch
from seqcli.metrics.perplexity import Totals, characters, line_bytes
from seqcli.text import EOS_ID, UNK_ID


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sums over each record of a block, [B] (log_prob natural, float64), and two over all of it."""

    log_prob: np.ndarray
    tokens: np.ndarray
    unknown: np.ndarray
    bytes: np.ndarray
    characters: int
    log_prob_unknown: float

    @property
    def totals(self) -> Totals:
        return Totals(
            sentences=len(self.tokens),
            tokens=int(self.tokens.sum()),
            unknown=int(self.unknown.sum()),
            log_prob=float(self.log_prob.sum()),
            log_prob_unknown=self.log_prob_unknown,
            bytes=int(self.bytes.sum()),
            characters=self.characters,
        )

    @property
    def perplexity(self) -> np.ndarray:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return np.exp(-self.log_prob / self.tokens)

    @property
    def bits_per_byte(self) -> np.ndarray:
        return self.log_prob / (-np.log(2) * self.bytes)


def score_block(opened: OpenModel, block: Block, *, contexts: Sequence[str] | None = None) -> Sentences:
    """Every record of `block` on its own. contexts: one a record, given and not counted."""
    lines = block.normalised()
    batch = opened.encode(lines)
    if contexts is None:
        log_prob = opened.model.score(batch).log_prob
    else:
        log_prob = score_given(opened, batch, contexts).log_prob
    return _sums(batch, log_prob, lines, ends=opened.ends)


def score_texts(opened: OpenModel, texts: Iterable[str]) -> np.ndarray:
    """log p of each text, natural: float64 [B]."""
    return score_block(opened, block_of(texts)).log_prob


def score_given(opened: OpenModel, batch: TokenBatch, contexts: Sequence[str], **wanted) -> Scores:
    """Scores of the rows of `batch`, each after its context (encoded on its own, without `</s>`)."""
    before = opened.encode(block_of(contexts).normalised())
    if opened.ends:
        before = TokenBatch(before.tokens[before.tokens != EOS_ID], before.lengths - 1)
    lengths = before.lengths + batch.lengths
    place = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    counted = place >= np.repeat(before.lengths, lengths)
    tokens = np.empty(len(counted), np.int32)
    tokens[counted], tokens[~counted] = batch.tokens, before.tokens
    scores = opened.model.score(TokenBatch(tokens, lengths), **wanted)
    parts = ((f.name, getattr(scores, f.name)) for f in dataclasses.fields(scores))
    return Scores(**{name: None if part is None else part[counted] for name, part in parts})


def score_document(opened: OpenModel, blocks: Iterable[Block]) -> Sentences:
    """All blocks as one text.

    A model that looks back so many tokens (its horizon) reads block by block, in bounded memory; any other gets the
    tokens of the whole text as one row.
    """
    horizon = opened.model.horizon
    log_prob = unknown_log_prob = 0.0
    tokens = unknown = size = count = 0
    context = np.zeros(0, np.int32)
    waiting: list[np.ndarray] = []

    def add(batch: TokenBatch, context: np.ndarray) -> None:
        nonlocal log_prob, unknown_log_prob, tokens, unknown
        scored = opened.model.score(batch, context=context).log_prob
        not_known = batch.tokens == UNK_ID
        log_prob += float(scored.sum(dtype=np.float64))
        unknown_log_prob += float(scored[not_known].sum(dtype=np.float64))
        tokens, unknown = tokens + len(scored), unknown + int(not_known.sum())

    for block in blocks:
        lines = block.normalised()
        batch = opened.tokenizer.encode(lines, unit="document")
        size, count = size + len(lines), count + characters(lines)
        if horizon is None:
            waiting.append(batch.tokens)
        else:
            add(batch, context)
            context = np.concatenate([context, batch.tokens])[-max(horizon, 1) :]
    if waiting:
        whole = np.concatenate(waiting)
        add(TokenBatch(whole, np.array([len(whole)])), context)
    one = (np.array([value]) for value in (log_prob, tokens, unknown, size))
    return Sentences(*one, characters=count, log_prob_unknown=unknown_log_prob)


def _sums(batch: TokenBatch, log_prob: np.ndarray, lines: bytes, *, ends: bool) -> Sentences:
    unknown = batch.tokens == UNK_ID
    size, count = line_bytes(lines), characters(lines)
    if not ends:  # no token stands for the line end
        size, count = np.maximum(size - 1, 1), count - len(size)
    any_unknown = unknown.any()
    return Sentences(
        row_sums(log_prob, batch.lengths),
        batch.lengths,
        row_sums(unknown, batch.lengths).astype(np.int64) if any_unknown else np.zeros(len(size), np.int64),
        size,
        count,
        float(log_prob[unknown].sum(dtype=np.float64)) if any_unknown else 0.0,
    )


def row_sums(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sums over packed rows, in float64: [B]. Rows may be empty."""
    if not len(lengths):
        return np.zeros(0)
    filled = lengths > 0
    starts = (np.cumsum(lengths) - lengths)[filled]
    sums = np.zeros(len(lengths))
    if len(starts):
        sums[filled] = np.add.reduceat(values.astype(np.float64), starts)
    return sums
