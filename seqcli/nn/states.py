"""Text embeddings from any network: one vector per row of tokens.

For a language model, the mean of the features of the tokens; for a classifier or an encoder without a head, the pooled features; for
a translator, the mean of the states of the encoder. The vector of a row longer than the window is the mean over its windows,
weighted by their number of tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli import finite
from seqcli.nn.classifier import Ensemble
from seqcli.nn.encoder import NeuralEncoder, in_groups, mean_of_pieces, pieces_of
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.nn.transfer import to_host
from seqcli.text import PAD
from seqcli.token_batch import TokenBatch

_LONGEST = 1024  # tokens per window for networks without a maximum length


@torch.inference_mode()
def means(model: Any, batch: TokenBatch) -> np.ndarray:
    """float32 [B, D]. batch: rows that end in `</s>`; model: a `NeuralLanguageModel`, `NeuralEncoder` or `NeuralTranslator`."""
    longest, start = max(1, (model.window or _LONGEST) - 1), isinstance(model, NeuralLanguageModel | NeuralEncoder)
    pieces, owners = pieces_of(batch, longest=longest, closed=getattr(model, "closed", False))
    parts: list[np.ndarray | None] = [None] * len(pieces)
    with model.cast():
        for group, tokens in in_groups(pieces, budget=model.batch_tokens, start=start, device=model.device):
            for i, vector in zip(group.tolist(), to_host(_of_rows(model, tokens).float())):
                parts[i] = vector
    vectors = np.stack([part for part in parts if part is not None]) if parts else np.zeros((0, 1), np.float32)
    total = mean_of_pieces(vectors, pieces, owners, rows=len(batch.lengths)).astype(np.float32)
    if getattr(model, "normalised", False):
        total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    finite.check_weights({"the vectors of texts": total})
    return total


def _of_rows(model: Any, tokens: Tensor) -> Tensor:
    """[B, D] of tokens int64 [B, T], PAD on the right."""
    if isinstance(model, Ensemble):
        return torch.cat([_of_rows(member, tokens) for member in model.members], dim=1)
    real, known = tokens != PAD, tokens.clamp_min(0)
    if isinstance(model, NeuralEncoder):
        return model.features(known, real)
    if isinstance(model, NeuralLanguageModel):
        features, real = model.states(known, real)
    else:
        features = model.states(known, real)
    share = real[..., None].to(features.dtype)
    return (features * share).sum(1) / share.sum(1).clamp_min(1)
