"""One vector per row of tokens from any network: the mean of its states before the head.

Of a language model the mean over the features of the row's tokens; of a classifier the features that it pools; of a
translator the mean over its encoder's states. A row longer than the window is the mean of its windows, weighted by their
tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli import finite
from seqcli.nn import threads
from seqcli.nn.classifier import Ensemble, NeuralClassifier
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.text import BOS_ID, PAD
from seqcli.token_batch import TokenBatch, of_like_length, owners, padded

_LONGEST = 1024  # tokens at a time, of networks without a window


@torch.inference_mode()
def means(model: Any, batch: TokenBatch) -> np.ndarray:
    """float32 [B, D]. batch: rows that end in `</s>`; model: a `NeuralLanguageModel`, `NeuralClassifier` or `NeuralTranslator`."""
    longest = max(1, (model.window or _LONGEST) - 1)
    begins, sizes, owner = _pieces(batch.lengths, longest)
    begins += batch.starts[owner]
    parts: list[np.ndarray | None] = [None] * len(sizes)
    with model.cast():
        for group in of_like_length(sizes, budget=model.batch_tokens, most=model.batch_tokens):
            threads.adapt()
            rows = [batch.tokens[begins[i] : begins[i] + sizes[i]] for i in group]
            for i, vector in zip(group.tolist(), _of_rows(model, rows).float().cpu().numpy()):
                parts[i] = vector
    vectors = np.stack([part for part in parts if part is not None]) if parts else np.zeros((0, 1), np.float32)
    weights = np.maximum(sizes, 1).astype(np.float32)
    total = np.zeros((len(batch.lengths), vectors.shape[1]), np.float32)
    np.add.at(total, owner, vectors * weights[:, None])
    total /= np.bincount(owner, weights, minlength=len(total)).astype(np.float32)[:, None]
    finite.check_weights({"the vectors of texts": total})
    return total


def _pieces(lengths: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows cut after `longest` tokens: where each piece begins in its row, its length, its row."""
    counts = np.maximum(-(-lengths // longest), 1)
    owner = owners(counts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = number * longest
    return begins, np.minimum(lengths[owner] - begins, longest), owner


def _of_rows(model: Any, rows: list[np.ndarray]) -> Tensor:
    if isinstance(model, Ensemble):
        return torch.cat([_of_rows(member, rows) for member in model.members], dim=1)
    if isinstance(model, NeuralLanguageModel | NeuralClassifier):
        rows = [np.append(np.int64(BOS_ID), row) for row in rows]
    tokens = torch.from_numpy(padded(rows, fill=PAD)).to(model.device)
    real = tokens != PAD
    known = tokens.clamp_min(0)
    if isinstance(model, NeuralClassifier):
        return model.features(known, real)
    if isinstance(model, NeuralLanguageModel):
        features, _ = model.features(known)
        real = real.clone()
        real[:, 0] = False  # the state after `<s>` alone has seen nothing of the text
    else:
        features = model.remember(known, real).states
    share = real[..., None].to(features.dtype)
    return (features * share).sum(1) / share.sum(1).clamp_min(1)
