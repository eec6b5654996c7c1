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
    log_prob_known: float  # of the tokens that are not `<unk>`

    @property
    def totals(self) -> Totals:
        return Totals(
            sentences=len(self.tokens),
            tokens=int(self.tokens.sum()),
            unknown=int(self.unknown.sum()),
            log_prob=float(self.log_prob.sum()),
            log_prob_known=self.log_prob_known,
            bytes=int(self.bytes.sum()),
            characters=self.characters,
        )

    @property
    def perplexity(self) -> np.ndarray:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return np.exp(-self.log_prob / self.tokens)

    @property
    def bits_per_byte(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):  # nan of no bytes
            return self.log_prob / (-np.log(2) * self.bytes)


def score_block(opened: OpenModel, block: Block, *, contexts: Sequence[str] | None = None) -> Sentences:
    """Every record of `block` on its own. contexts: one a record, given and not counted."""
    lines = opened.tokenizer.normalisation.lines(block.data)
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
    before = opened.encode(block_of(contexts).data)
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


class DocumentScore:
    """All blocks as one text, whose log-probability grows block by block.

    A model that looks back so many tokens (its horizon) needs no more than a block at a time; any other gets the tokens of
    the whole text as one row in the end. A model of lines reads line breaks as `</s>`.
    """

    def __init__(self, opened: OpenModel):
        self._opened = opened
        self._context = np.zeros(0, np.int32)
        self._waiting: list[np.ndarray] = []
        self._log_prob = self._log_prob_known = 0.0
        self._tokens = self._unknown = self._bytes = self._characters = 0

    def add(self, block: Block) -> None:
        lines = self._opened.tokenizer.normalisation.lines(block.data)
        self._bytes, self._characters = self._bytes + len(lines), self._characters + characters(lines)
        unit = "line" if self._opened.ends else "document"
        tokens = self._opened.tokenizer.encode(lines, unit=unit).tokens
        horizon = self._opened.model.horizon
        if horizon is None:
            self._waiting.append(tokens)
        else:
            self._score(tokens)
            self._context = np.concatenate([self._context, tokens])[-max(horizon, 1) :]

    def _score(self, tokens: np.ndarray) -> None:
        row = TokenBatch(tokens, np.array([len(tokens)]))
        log_prob = self._opened.model.score(row, context=self._context).log_prob
        unknown = tokens == UNK_ID
        self._log_prob += float(log_prob.sum(dtype=np.float64))
        self._log_prob_known += float(log_prob[~unknown].sum(dtype=np.float64))
        self._tokens, self._unknown = self._tokens + len(tokens), self._unknown + int(unknown.sum())

    def result(self) -> Sentences:
        """One sentence: the text so far."""
        if self._waiting:
            self._score(np.concatenate(self._waiting))
            self._waiting = []
        one = (np.array([value]) for value in (self._log_prob, self._tokens, self._unknown, self._bytes))
        return Sentences(*one, characters=self._characters, log_prob_known=self._log_prob_known)


def score_documents(models: Sequence[OpenModel], blocks: Iterable[Block]) -> list[Sentences]:
    """The same text under every model, read once."""
    documents = [DocumentScore(opened) for opened in models]
    for block in blocks:
        for document in documents:
            document.add(block)
    return [document.result() for document in documents]


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
        float((log_prob[~unknown] if any_unknown else log_prob).sum(dtype=np.float64)),
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
