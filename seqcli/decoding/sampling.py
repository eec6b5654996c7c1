"""Reproducible sampling: the n-th random number of a sample depends only on (seed, line, sample, n), not on batches or order.

Philox (Salmon et al. 2011) is a counter-based generator: its n-th number is a function of a key and a counter. The seed is the
key; line and sample are the upper half of the counter.

`sample` returns hypotheses like those of beam search, each row sampled with its own random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqcli.decoding.beam import Hypothesis
from seqcli.decoding.logits import HostLogits, extended
from seqcli.decoding.policy import Policy, repeats
from seqcli.interfaces import AutoregressiveModel, Logits, State


def numbers(seed: int, *, line: int, sample: int) -> np.random.Generator:
    """The random numbers of one sample, in order."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, line, sample]))


def sample(
    model: AutoregressiveModel,
    log_prob: np.ndarray,
    state: State,
    *,
    policy: Policy,
    random: Sequence[np.random.Generator],
    max_new_tokens: np.ndarray,
    length_penalty: float = 0.0,
    no_repeat_ngram: int = 0,
    prefix: Sequence[int] | np.ndarray = (),
    end: int,
    never: list[int],
) -> list[Hypothesis]:
    """One sample for each of B rows. Arguments are as in `beam.search`; random [B] yields a number per token.
    `log_prob` of a hypothesis is that of the model itself, before the policy is applied."""
    found: dict[int, Hypothesis] = {}
    alive, total = np.arange(len(log_prob)), np.zeros(len(log_prob))
    logits: Logits = HostLogits(log_prob.copy(), log_probs=True)
    ids = np.tile(np.asarray(prefix, np.int64), (len(alive), 1))  # [B, length]
    while len(alive):
        u = np.array([random[row].random() for row in alive.tolist()])
        token, more = logits.draw(policy, u, never=never, forbidden=repeats(ids, n=no_repeat_ngram))
        total = total + more
        ids = np.concatenate([ids, token[:, None]], axis=1)
        length = ids.shape[1]
        done = (token == end) | (length == len(prefix) + max_new_tokens[alive])
        for row in np.flatnonzero(done):
            score = float(total[row]) / length**length_penalty
            found[alive[row]] = Hypothesis(ids[row].tolist(), float(total[row]), score, bool(token[row] == end))
        on = np.flatnonzero(~done)
        if len(on):
            logits, state = extended(model, token[on], state.reorder(on))
        alive, ids, total = alive[on], ids[on], total[on]
    return [found[row] for row in range(len(found))]
