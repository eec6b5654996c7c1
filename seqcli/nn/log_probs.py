"""Log-probabilities of tokens from features and a head, so many logits at a time as memory is worth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seqcli.nn.linear import Linear
from seqcli.text import BOS_ID

_PRODUCT = 1 << 24  # logits of one matrix product, which likes many rows
_LOGITS = 1 << 21  # of them that become probabilities at a time: they stay in the cache


def logits(head: Linear, features: Tensor) -> Tensor:
    """float32 [..., V] of features [..., D]; `<s>` is impossible."""
    return _possible(head(features))


def of_targets(head: Linear, features: Tensor, targets: Tensor, *, rank: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Natural log p (float32 [n]) of targets [n] from features [n, D], and their ranks (int64 [n]) where they are asked."""
    log_probs, ranks = [], []
    size = head.out_features
    for part, wanted in zip(*(x.split(max(1, _PRODUCT // size)) for x in (features, targets))):
        some = max(1, _LOGITS // size)
        for raw, token in zip(head(part).split(some), wanted[:, None].split(some)):
            values = _possible(raw)
            if rank:
                ranks.append(1 + (values > values.gather(-1, token)).sum(-1))
            log_probs.append(values.log_softmax(-1).gather(-1, token)[:, 0])  # fused, where logsumexp takes five passes
    empty = np.zeros(0, np.float32)
    lp = torch.cat(log_probs).cpu().numpy() if log_probs else empty
    return lp, (torch.cat(ranks).cpu().numpy() if ranks else empty.astype(np.int64)) if rank else None


def _possible(raw: Tensor) -> Tensor:
    values = raw.float()
    values[..., BOS_ID] = -torch.inf
    return values
