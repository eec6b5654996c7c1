"""Beam search: the likeliest continuations, for every model that can extend a state and reorder it.

A step extends the `beam_size` hypotheses of each source by every token and keeps the best of all; one that has ended
leaves. So a beam of 1 is greedy, and one that drops nothing is exhaustive. Hypotheses compare by

    score = log p / length ^ length_penalty        (length: tokens, `</s>` too; 0 compares probabilities)

Longer is never likelier, so what a live hypothesis can still reach is log p / longest ^ length_penalty, `longest` being
its own source's: a source is done when no live one can reach its worst kept one, and nothing better is lost by that.

A hypothesis's extensions differ by their logits alone, so the best of all are among the `beam_size` best of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seqcli.decoding.model_log_prob import log_normaliser
from seqcli.decoding.policy import forbid_repeats, top
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
    max_new_tokens: int | np.ndarray,
    length_penalty: float = 0.0,
    no_repeat_ngram: int = 0,
    prefix: Sequence[int] = (),
    end: int | None,
    never: list[int],
) -> list[list[Hypothesis]]:
    """The at most `n_best` best hypotheses of each of B sources, best first.

    log_prob: [B, V] of the first token, -inf for what it cannot be; state: of the same B rows; prefix: tokens that all
    hypotheses begin with, read by `state` and counted in `log_prob`; max_new_tokens: after them, of all or of each source
    [B]; no_repeat_ngram: no n tokens of a hypothesis occur twice in it (0: they may); never: tokens that no later token can be.
    """
    assert 1 <= n_best <= beam_size and length_penalty >= 0 and np.min(max_new_tokens, initial=1) >= 1
    found: list[list[Hypothesis]] = [[] for _ in log_prob]
    sources = np.arange(len(log_prob))  # those not done
    longest = np.broadcast_to(len(prefix) + np.asarray(max_new_tokens), sources.shape)
    ids = np.tile(np.asarray(prefix, np.int64), (len(sources), 1, 1))  # [B, live, length]
    logits, total = log_prob.copy(), np.zeros((len(sources), 1))  # log p of an extension: a logit + its row's total
    while len(sources):
        # 1. The best of all extensions
        forbid_repeats(logits, ids.reshape(len(logits), -1), n=no_repeat_ngram)
        likeliest = top(logits, beam_size)  # [B live, k]
        extended = np.take_along_axis(logits, likeliest, axis=1) + total.reshape(-1, 1)
        width, each = ids.shape[1], likeliest.shape[1]
        extended = extended.reshape(len(sources), width * each)
        best = top(extended, beam_size)
        total = np.take_along_axis(extended, best, axis=1)  # [B, k]
        parent = best // each
        token = np.take_along_axis(likeliest.reshape(extended.shape), best, axis=1)
        ids = np.concatenate([np.take_along_axis(ids, parent[:, :, None], axis=1), token[:, :, None]], axis=2)
        # 2. Those that have ended leave
        length = ids.shape[2]
        ended = token == end if end is not None else np.zeros(token.shape, bool)
        done = (total > -np.inf) & (ended | (length == longest[:, None]))
        for b, k in np.argwhere(done):
            score = float(total[b, k]) / length**length_penalty
            found[sources[b]].append(Hypothesis(ids[b, k].tolist(), float(total[b, k]), score, bool(ended[b, k])))
        total[done] = -np.inf
        # 3. Sources that can find no better one leave
        reach = total.max(axis=1) / longest**length_penalty
        for source in sources:
            found[source] = sorted(found[source], key=lambda h: -h.score)[:n_best]
        worst = np.array([found[s][-1].score if len(found[s]) == n_best else -np.inf for s in sources])
        alive = np.flatnonzero(reach > worst)
        if not len(alive):
            break
        rows = (alive[:, None] * width + parent[alive]).ravel()
        sources, longest, ids, total, token = (part[alive] for part in (sources, longest, ids, total, token))
        # 4. The others read their last tokens
        tokens = token.reshape(-1, 1).astype(np.int32)
        logits, state = model.extend(tokens, np.ones(len(tokens), np.int64), state.reorder(rows))
        total -= log_normaliser(model, logits).reshape(total.shape)
        logits[:, never] = -np.inf
    return found
