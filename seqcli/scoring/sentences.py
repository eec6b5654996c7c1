"""Log-probabilities of whole records, the basis of all other uses of a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.data.lines import Block, block_of
from seqcli.data.record_reader import RecordReader, lines_of
from seqcli.interfaces import OpenModel, OpenScorer, Scores, predicts_end
from seqcli.metrics.perplexity import Totals, characters, line_bytes
from seqcli.text import EOS_ID, UNK_ID
from seqcli.token_batch import TokenBatch, common_prefixes, places, row_sums

_TIE = 1e-6  # nats; sums of the same numbers in another order differ by less
_ROUNDING = 2.0**-22  # and by this share of them, as a token's number is a float32 that is itself a sum


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sums over each record of a block, [B] (log_prob natural, float64), and two sums over the block."""

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
            return (0 - self.log_prob) / (np.log(2) * self.bytes)  # of 0 not -0


def score_block(
    opened: OpenScorer, block: Block, *, contexts: Sequence[str] | None = None, unit: str | None = None
) -> Sentences:
    """Scores every record of `block` on its own. contexts: one per record, not scored; unit: "document" reads records
    as documents with any model."""
    reader = RecordReader.of(opened, unit=unit)
    ended = np.full(len(block), reader.line_ends or unit == "document")
    if contexts is None:
        batch = reader.rows(block, whole=bool(ended.all()))
        log_prob = opened.model.score(batch).log_prob
    else:
        batch, scores = score_given(opened, block, contexts)
        log_prob = scores.log_prob
        ended |= np.array(list(map(bool, contexts)), bool)
    text, counts = lines_of(block, reader.unit, whole=ended)
    return _sums(batch, log_prob, opened.tokenizer.normalisation.lines(text), counts, ended=ended)


def score_texts(opened: OpenScorer, texts: Iterable[str]) -> np.ndarray:
    """log p of each text, natural: float64 [B]."""
    return score_block(opened, block_of(texts)).log_prob


def score_given(
    opened: OpenScorer, block: Block, contexts: Sequence[str], *, rank: bool = False
) -> tuple[TokenBatch, Scores]:
    """The tokens of each record after its context, and their scores.

    log p(record | context) is log p(context and record as one string) - log p(context): the string is tokenized as a whole,
    and the tokens at its beginning that are those of the context alone are given. A token that the context shares with the
    record, such as a word with the space before it, counts with the record. In a document model the string is a document. A
    record whose context is empty is scored as without one.
    """
    reader = RecordReader.of(opened)
    strings, given = zip(*map(reader.joined, contexts, block.records())) if contexts else ((), ())
    whole = reader.rows(block_of(strings), whole=reader.line_ends)
    before = common_prefixes(whole, reader.rows(block_of(given), whole=False))
    counted = places(whole.lengths) >= np.repeat(before, whole.lengths)
    scores = opened.model.score(whole, rank=rank).only(counted)
    return TokenBatch(whole.tokens[counted], whole.lengths - before), scores


def margin(log_prob):
    """Nats by which another log-probability may differ and be equal up to rounding: of a number or an array, 0 for -inf."""
    return np.where(np.isfinite(log_prob), _TIE + _ROUNDING * np.abs(log_prob), 0)


def tied(a, b):
    """Whether log-probabilities (numbers or arrays) are equal to b up to rounding; -inf ties with -inf."""
    return (a <= b + margin(b)) & (b <= a + margin(b))


def shares(log_prob: np.ndarray) -> np.ndarray | None:
    """p over the sum of p; None where all are impossible."""
    top = log_prob.max()
    if top == -np.inf:
        return None
    p = np.exp(log_prob - top)
    return p / p.sum()


class DocumentScore:
    """All blocks as one text, whose log-probability grows block by block.

    A model that looks back so many tokens (its horizon) needs no more than a block at a time; any other gets the tokens of
    the whole text as one row in the end. A model of lines reads line breaks as `</s>`.
    """

    def __init__(self, opened: OpenModel):
        self._opened, self.name = opened, opened.name
        self._context = np.zeros(0, np.int32)
        self._waiting: list[np.ndarray] = []
        self._totals = Totals()

    def add(self, block: Block) -> None:
        lines = self._opened.tokenizer.normalisation.lines(block.data)
        self._totals += Totals(bytes=len(lines), characters=characters(lines))
        unit = "line" if self._opened.ends else "document"
        tokens = self._opened.tokenizer.encode(lines, unit=unit).tokens
        if not predicts_end(self._opened.model):
            tokens = tokens[tokens != EOS_ID]
        horizon = self._opened.model.horizon
        if horizon is None:
            self._waiting.append(tokens)
        else:
            self._score(tokens)
            self._context = np.concatenate([self._context, tokens])[-max(horizon, 1) :]

    def _score(self, tokens: np.ndarray) -> None:
        log_prob = self._opened.model.score(TokenBatch.one(tokens), context=self._context).log_prob
        self._totals += Totals.of(tokens, log_prob)

    def result(self) -> Sentences:
        """One sentence: the text so far."""
        if self._waiting:
            self._score(np.concatenate(self._waiting))
            self._waiting = []
        totals = self._totals
        log_prob, tokens, unknown, size = (
            np.array([sum_]) for sum_ in (totals.log_prob, totals.tokens, totals.unknown, totals.bytes)
        )
        return Sentences(log_prob, tokens, unknown, size, totals.characters, totals.log_prob_known)


def score_documents(
    models_for: Callable[[Block | None], Sequence[OpenModel]], blocks: Iterable[Block]
) -> Iterator[tuple[Block | None, dict[str, Sentences]]]:
    """Documents, read once, with their sums by the names of the models: each record that stands apart is one (its block and
    the sums over the block's records); the lines of a file are one together (None and the sums over it).

    models_for: returns the models that score a block; for lines they are always the same.
    """
    documents: list[DocumentScore] = []
    records = False
    for block in blocks:
        if block.apart:
            records = True
            yield block, {opened.name: score_block(opened, block, unit="document") for opened in models_for(block)}
        else:
            documents = documents or [DocumentScore(opened) for opened in models_for(block)]
            for document in documents:
                document.add(block)
    if not records:  # an empty file is a document, too
        documents = documents or [DocumentScore(opened) for opened in models_for(None)]
    if documents:
        yield None, {document.name: document.result() for document in documents}


def _sums(
    batch: TokenBatch, log_prob: np.ndarray, lines: bytes, counts: np.ndarray | None, *, ended: np.ndarray
) -> Sentences:
    """lines: of the records, normalised; counts: how many each has; ended: where a token stands for the last line end, bool [B]."""
    unknown = batch.tokens == UNK_ID
    size, count = line_bytes(lines), characters(lines)
    if counts is not None:
        size = np.add.reduceat(size, np.cumsum(counts) - counts)
    size, count = size - ~ended, count - int((~ended).sum())
    any_unknown = unknown.any()
    return Sentences(
        row_sums(log_prob, batch.lengths),
        batch.lengths,
        row_sums(unknown, batch.lengths).astype(np.int64) if any_unknown else np.zeros(len(size), np.int64),
        size,
        count,
        float((log_prob[~unknown] if any_unknown else log_prob).sum(dtype=np.float64)),
    )
