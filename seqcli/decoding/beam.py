"""Beam search: the likeliest continuations, for every model that can extend a state and reorder it.

A step extends the `beam_size` hypotheses of each source by every token and keeps the best of all; one that has ended
leaves. So a beam of 1 is greedy, and one that drops nothing is exhaustive. Hypotheses compare by

    score = log p / length ^ length_penalty        (length: tokens, `</s>` too; 0 compares probabilities)

Longer is never likelier, so what a live hypothesis can still reach is log p / longest ^ length_penalty: a source is
done when no live one can reach its worst kept one, and nothing better is lost by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seqcli.decoding.policy import log_softmax, top
from seqcli.interfaces import State


class Stepper(Protocol):
    """A language model, or a translator given its source."""

    def extend(self, tokens: np.ndarray, lengths: np.ndarray, state: Any) -> tuple[np.ndarray, State]: ...


@dataclass(frozen=True)
class Hypothesis:
    ids: list[int]  # `</s>` too, where it has `ended`
    log_prob: float  # natural, of all ids
    score: float
    ended: bool  # False: cut at the greatest length


def search(
    model: Stepper,
    log_prob: np.ndarray,
    state: State,
    *,
    beam_size: int,
    n_best: int = 1,
    max_new_tokens: int,
    length_penalty: float = 0.0,
    end: int | None,
    never: list[int],
) -> list[list[Hypothesis]]:
    """The at most `n_best` best hypotheses of each of B sources, best first.

    log_prob: [B, V] of the first token, -inf for what it cannot be; state: of the same B rows; never: tokens that no
    later token can be.
    """
    assert 1 <= n_best <= beam_size and length_penalty >= 0
    found: list[list[Hypothesis]] = [[] for _ in log_prob]
    sources = np.arange(len(log_prob))  # those not done
    ids = np.zeros((len(sources), 1, 0), np.int64)  # [B, live, length]
    candidates = log_prob[:, None].astype(np.float64)  # [B, live, V]
    for length in range(1, max_new_tokens + 1):
        # 1. The best of all extensions
        _, _, size = candidates.shape
        flat = candidates.reshape(len(sources), -1)
        best = top(flat, beam_size)
        total = np.take_along_axis(flat, best, axis=1)  # [B, k]
        parent, token = best // size, best % size
        ids = np.concatenate([np.take_along_axis(ids, parent[:, :, None], axis=1), token[:, :, None]], axis=2)
        # 2. Those that have ended leave
        ended = token == end if end is not None else np.zeros(token.shape, bool)
        done = (total > -np.inf) & (ended | (length == max_new_tokens))
        for b, k in np.argwhere(done):
            score = float(total[b, k]) / length**length_penalty
            found[sources[b]].append(Hypothesis(ids[b, k].tolist(), float(total[b, k]), score, bool(ended[b, k])))
        total[done] = -np.inf
        # 3. Sources that can find no better one leave
        reach = total.max(axis=1) / max_new_tokens**length_penalty
        for source in sources:
            found[source] = sorted(found[source], key=lambda h: -h.score)[:n_best]
        worst = np.array([found[s][-1].score if len(found[s]) == n_best else -np.inf for s in sources])
        alive = np.flatnonzero(reach > worst)
        if not len(alive):
            break
        sources, ids, total = sources[alive], ids[alive], total[alive]
        # 4. The others read their last tokens
        width = candidates.shape[1]
        rows = (alive[:, None] * width + parent[alive]).ravel()
        tokens = token[alive].reshape(-1, 1).astype(np.int32)
        logits, state = model.extend(tokens, np.ones(len(tokens), np.int64), state.reorder(rows))
        step = log_softmax(logits)
        step[:, never] = -np.inf
        candidates = total[:, :, None] + step.reshape(*total.shape, -1)
    return found
