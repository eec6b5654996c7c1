"""One vector per row of tokens: the base class of networks that compute it (classifiers before their head, and encoders without a head),
and the text embeddings of any network.

A row longer than the window is read in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli import finite
from seqcli.nn.device import adapt_threads, to_device, to_host
from seqcli.nn.inference import Network
from seqcli.text import BOS_ID, EOS_ID, PAD
from seqcli.token_batch import TokenBatch, of_like_length, padded

_LONGEST = 1024  # tokens per window for networks without a maximum length


class NeuralEncoder(Network):
    """window: maximum number of tokens read at once; closed: every piece of a longer row ends in `</s>`; normalised: vectors
    have length 1."""

    window: int = 512
    closed = False
    normalised = False

    def features(self, tokens: Tensor, real: Tensor) -> Tensor:
        """tokens: int64 [B, T], `<s>` first; real: bool [B, T], False for padding. Returns [B, D]."""
        raise NotImplementedError

    def row_vectors(self, tokens: Tensor) -> Tensor:
        """See `Network.row_vectors`: the pooled features."""
        return self.features(tokens.clamp_min(0), tokens != PAD)


@torch.inference_mode()
def text_vectors(model: Any, batch: TokenBatch) -> np.ndarray:
    """Text embeddings, float32 [B, D]: the vector of a row longer than the window is the mean over its windows, weighted by their number
    of tokens. batch: rows that end in `</s>`; model: a `Network` with `row_vectors`."""
    longest = max(1, (model.window or _LONGEST) - 1)
    pieces, owners = pieces_of(batch, longest=longest, closed=getattr(model, "closed", False))
    parts: list[np.ndarray | None] = [None] * len(pieces)
    with model.cast():
        for group, tokens in in_groups(pieces, budget=model.batch_tokens, start=model.reads_start, device=model.device):
            for i, vector in zip(group.tolist(), to_host(model.row_vectors(tokens).float())):
                parts[i] = vector
    vectors = np.stack([part for part in parts if part is not None]) if parts else np.zeros((0, 1), np.float32)
    means = mean_of_pieces(vectors, pieces, owners, rows=len(batch.lengths)).astype(np.float32)
    if getattr(model, "normalised", False):
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    finite.check_weights({"the vectors of texts": means})
    return means


def pieces_of(batch: TokenBatch, *, longest: int, closed: bool) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows cut after `longest` tokens: the pieces, and the row of each, int64. closed: every piece of a row that is cut ends in its last token,
    `</s>`."""
    pieces: list[np.ndarray] = []
    owners: list[int] = []
    for number, row in enumerate(batch.rows):
        if len(row) <= longest:
            pieces.append(row)
            owners.append(number)
            continue
        own = row[:-1] if closed else row
        step = longest - closed
        cut = [own[begin : begin + step] for begin in range(0, len(own), step)]
        pieces += [np.append(piece, np.int32(EOS_ID)) for piece in cut] if closed else cut
        owners += [number] * len(cut)
    return pieces, np.array(owners, np.int64)


def in_groups(
    pieces: Sequence[np.ndarray], *, budget: int, start: bool, device: torch.device
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Batches of pieces of similar length: their indices and tokens, int64 [B, T], PAD on the right. start: whether to prepend `<s>`."""
    for group in of_like_length(np.array(list(map(len, pieces)), np.int64), budget=budget, most=budget):
        adapt_threads()
        table = padded([pieces[i] for i in group], fill=PAD)
        if start:
            table = np.concatenate([np.full((len(group), 1), BOS_ID, table.dtype), table], axis=1)
        yield group, to_device(table, device)


def mean_of_pieces(values: np.ndarray, pieces: Sequence[np.ndarray], owners: np.ndarray, *, rows: int) -> np.ndarray:
    """The means of the values of the pieces, [P, D], over each row, weighted by their number of tokens: float64 [rows, D]."""
    weights = np.maximum(np.array(list(map(len, pieces)), np.int64), 1)
    total = np.zeros((rows, values.shape[1]))
    np.add.at(total, owners, values * weights[:, None])
    return total / np.bincount(owners, weights, minlength=rows)[:, None]
