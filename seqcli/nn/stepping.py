"""The `extend` of all networks: rows of one length are read together, then their states are joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli import finite
from seqcli.interfaces import State
from seqcli.nn import threads
from seqcli.text import BOS_ID


def extend(
    tokens: np.ndarray, lengths: np.ndarray, state: State | None, *,
    begin: Callable[[np.ndarray], Any], read: Callable[[Tensor, Any], tuple[Tensor, Any]], device: torch.device,
) -> tuple[np.ndarray, Any]:  # fmt: skip
    """See `interfaces.LanguageModel.extend`.

    begin: the state of these rows (int64) before their `<s>`; read: of tokens int64 [B, T] that follow a state the logits of
    what comes next, float32 [B, V], and the state after them, which has `joined(states)` besides.
    """
    if state is None:
        tokens = np.concatenate([np.full((len(tokens), 1), BOS_ID), tokens], axis=1)
        lengths = lengths + 1
    assert (lengths > 0).all(), "only a beginning may be empty"
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    parts, states = [], []
    threads.adapt()
    for rows in groups:
        part = torch.from_numpy(tokens[rows, : lengths[rows[0]]].astype(np.int64)).to(device)
        before = begin(rows) if state is None else state if len(groups) == 1 else state.reorder(rows)
        logits, after = read(part, before)
        parts.append(logits.cpu().numpy())
        finite.check_logits(parts[-1])
        states.append(after)
    if len(groups) == 1:
        return parts[0], states[0]
    order = np.argsort(np.concatenate(groups))
    return np.concatenate(parts)[order], states[0].joined(states).reorder(order)
