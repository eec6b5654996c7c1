"""Evaluates language models on files, on rows of tokens and, during training, on held-out text; baselines of the loss.

Held-out text is read in parts of a few thousand tokens: lines in a seeded order, or segments of running text. A segment is read with half a window of context before it, as in the scoring of long texts.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from seqcli.data.lines import Block
from seqcli.interfaces import OpenModel, Tokenizer
from seqcli.metrics import unigram
from seqcli.metrics.perplexity import Totals, characters, line_bytes
from seqcli.ragged import joined
from seqcli.scoring.sentences import score_block, score_documents
from seqcli.system.workers import ordered_map
from seqcli.tasks.language.data import Corpus
from seqcli.text import EOS_ID
from seqcli.token_batch import TokenBatch, in_parts, row_sums

_PART = 8192  # tokens
_WINDOW = 1024  # window for running text if the network has none


class HeldOut:
    """A `training.recorder.HeldOut`. rows: lines or documents, all of whose `tokens` are kept, int32 [T]; bytes, characters: of
    each row, including line ends, int64 [B].

    products: the dtype of matrix products; seed: of the order of the parts; ends: whether `</s>` is predicted and counted.
    """

    def __init__(
        self, rows: TokenBatch, *, bytes: np.ndarray, characters: np.ndarray, unit: str, products: Any, seed: int, ends: bool = True,
    ):  # fmt: skip
        if not ends:
            rows, bytes, characters = _without_ends(rows, bytes, characters, unit=unit)
        self._unit, self._products, self._window = unit, products, None
        self.tokens = rows.tokens
        self._starts = rows.starts
        if unit == "document":
            self._starts, lengths, (bytes, characters) = _stretches(rows, bytes, characters)
            self._begins = np.repeat(rows.starts, -(-rows.lengths // _PART))  # of the document of each segment
        else:
            lengths = rows.lengths
        self._lengths, self._bytes, self._characters = lengths, bytes, characters
        order = np.random.default_rng([seed, 1]).permutation(len(lengths))
        if unit == "document":
            self._parts = [order[n : n + 1] for n in range(len(order))]
        else:
            self._parts = in_parts(lengths, order=order, tokens=_PART)

    def __len__(self) -> int:
        return len(self._parts)

    def answer(self, model: Any, part: int) -> Totals:
        rows = self._parts[part]
        with model.quickly(window=_WINDOW, products=self._products) as window:
            context = None
            if self._unit == "document":
                (row,) = rows
                start, self._window = int(self._starts[row]), window
                context = self.tokens[max(int(self._begins[row]), start - window // 2) : start]
            tokens = np.concatenate(
                [self.tokens[self._starts[row] : self._starts[row] + self._lengths[row]] for row in rows]
            )
            log_prob = model.score(TokenBatch(tokens, self._lengths[rows]), context=context).log_prob
        return Totals.of(
            tokens,
            log_prob,
            sentences=len(rows) if self._unit == "line" else int(start == self._begins[row]),
            bytes=int(self._bytes[rows].sum()),
            characters=int(self._characters[rows].sum()),
        )

    def figures(self, answers: Sequence[Totals]) -> tuple[float, dict[str, Any]]:
        """Nats per token, and all figures; `held_out_tokens`: number of tokens, including those not evaluated."""
        totals = sum(answers, Totals())
        loss = -totals.log_prob / max(totals.tokens, 1)
        figures: dict[str, Any] = {**figures_of(totals), "loss": loss, "held_out_tokens": len(self.tokens)}
        if self._window:
            figures["window"] = self._window
        return loss, figures


def of_stream(stream: np.ndarray, tokenizer: Tokenizer, *, unit: str, **how: Any) -> HeldOut:
    """From rows of tokens, `<s>` before each; their size is that of the decoded text."""
    rows = TokenBatch.of_stream(stream)
    if unit == "line":
        text = (tokenizer.decode(rows.tokens.tolist()) + "\n").encode()
        return HeldOut(rows, bytes=line_bytes(text), characters=_line_characters(text), unit=unit, **how)
    ends = "\n" if tokenizer.ends_rows else ""
    texts = [tokenizer.decode(row.tolist()) + ends for row in rows.rows]
    sizes, counts = np.array([len(text.encode()) for text in texts]), np.array(list(map(len, texts)))
    return HeldOut(rows, bytes=sizes, characters=counts, unit=unit, **how)


def of_corpus(corpus: Corpus, tokenizer: Tokenizer, **how: Any) -> HeldOut:
    """From files, each a document or lines."""
    batches, sizes, counts = [], [], []
    for blocks in corpus.files():
        own: list[np.ndarray] = []
        own_bytes = own_characters = 0
        for block in blocks:
            lines = tokenizer.normalisation.lines(block.data)
            batch = tokenizer.encode(lines, unit=corpus.unit)
            if corpus.unit == "line":
                batches.append(batch)
                sizes.append(line_bytes(lines))
                counts.append(_line_characters(lines))
            else:
                own.append(batch.tokens)
                own_bytes, own_characters = own_bytes + len(lines), own_characters + characters(lines)
        if own:
            batches.append(TokenBatch.one(np.concatenate(own)))
            sizes.append(np.array([own_bytes]))
            counts.append(np.array([own_characters]))
    return HeldOut(
        TokenBatch.joined(batches),
        bytes=joined(sizes, np.int64),
        characters=joined(counts, np.int64),
        unit=corpus.unit,
        **how,
    )


def _without_ends(
    rows: TokenBatch, bytes: np.ndarray, characters: np.ndarray, *, unit: str
) -> tuple[TokenBatch, np.ndarray, np.ndarray]:
    """Rows without `</s>`, and for lines their sizes without line ends."""
    kept = rows.tokens != EOS_ID
    lengths = row_sums(kept, rows.lengths).astype(np.int64)
    gone = (rows.lengths - lengths) * (unit == "line")
    return TokenBatch(rows.tokens[kept], lengths), bytes - gone, characters - gone


def _stretches(rows: TokenBatch, *sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The first token and length of the segments of documents, and their share of the sizes of the documents."""
    starts: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    shares: list[list[np.ndarray]] = [[] for _ in sizes]
    for number, (start, length) in enumerate(zip(rows.starts.tolist(), rows.lengths.tolist())):
        edges = np.append(np.arange(0, length, _PART), length)
        starts.append(start + edges[:-1])
        lengths.append(np.diff(edges))
        for share, size in zip(shares, sizes):
            share.append(np.diff(np.round(edges / max(length, 1) * size[number]).astype(np.int64)))
    return joined(starts, np.int64), joined(lengths, np.int64), [joined(share, np.int64) for share in shares]


def _line_characters(lines: bytes) -> np.ndarray:
    """The code points of every line, including its line end: int64 [B]."""
    data = np.frombuffer(lines, np.uint8)
    return np.diff(np.cumsum((data & 0xC0) != 0x80)[data == 0x0A], prepend=0)


def evaluate_text(opened: OpenModel, corpus: Corpus) -> Totals:
    """Totals of a corpus under a model, in the model's unit."""
    totals = Totals()
    for blocks in corpus.files():
        if corpus.unit == "document":
            for _, sums in score_documents(lambda block: [opened], blocks):
                totals += sums[opened.name].totals
        else:
            for block in blocks:
                totals += score_block(opened, block).totals
    return totals


def evaluate_stream(opened: OpenModel, stream: np.ndarray) -> Totals:
    """Totals of rows of tokens (int32 [T], `<s>` before each) under a model, in bytes and characters of their text."""
    batch = TokenBatch.of_stream(stream)
    log_prob = opened.model.score(batch).log_prob
    text = opened.tokenizer.decode(batch.tokens.tolist()) + "\n" * opened.ends
    return Totals.of(
        batch.tokens, log_prob, sentences=len(batch.lengths), bytes=len(text.encode()), characters=len(text)
    )


def figures_of(totals: Totals) -> dict[str, float | None]:
    """Figures for a JSON file, with None for infinity and NaN."""
    figures = {
        "sentences": totals.sentences,
        "tokens": totals.tokens,
        "unknown": totals.unknown,
        "log_prob": totals.log_prob,
        "perplexity": totals.perplexity,
        "perplexity_known": totals.perplexity_known,
        "bits_per_byte": totals.bits_per_byte,
        "bits_per_character": totals.bits_per_character,
    }
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def baseline(stream: np.ndarray, held_out: np.ndarray, *, size: int) -> dict[str, float]:
    """The loss, in nats per held-out token, of the unigram model of the training text and of the uniform distribution over `size` tokens.

    stream: the training text, int32 [T]; held_out: counts of each token in the held-out text, int64 [V].
    """
    return {"unigram": unigram.cross_entropy(unigram.counts(stream, size), held_out), "uniform": unigram.uniform(size)}


def token_counts(valid: Corpus, tokenizer: Tokenizer, *, threads: int | None) -> tuple[np.ndarray, str]:
    """The count of each token in files of held-out text, int64 [V], and the fingerprint of their text."""
    checksum = 0

    def blocks() -> Iterator[Block]:
        nonlocal checksum
        for block in chain.from_iterable(valid.files()):
            checksum = zlib.crc32(block.data, checksum)
            yield block

    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for part in ordered_map(partial(_block_counts, tokenizer, valid.unit), blocks(), workers=threads):
        counts += part
    return counts, f"{checksum:08x}"


def _block_counts(tokenizer: Tokenizer, unit: str, block: Block) -> np.ndarray:
    return unigram.counts(tokenizer.encode(block.data, unit=unit).tokens, tokenizer.vocab_size)
