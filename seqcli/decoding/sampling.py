"""Sampling: its settings, reproducible random numbers, and sampled hypotheses.

The settings change the next-token distribution of a model before a token is drawn. The steps are applied in this order, each to the result of the one before (the order of Hugging Face's transformers):

1. repetition penalty (Keskar et al. 2019, section 4.1): positive logits of tokens that already occur are divided by it,
   negative ones multiplied. The logits of an n-gram model are log-probabilities: p^penalty.
2. temperature: logits are divided by it; 0 keeps only the most likely token.
3. top-k: only the k most likely tokens are kept.
4. top-p (Holtzman et al. 2020, equation 2): only the smallest set of most likely tokens whose probabilities sum to p is kept.
5. min-p (Nguyen et al. 2024): only tokens at least min-p times as probable as the most likely one are kept.

Ties are broken by the smaller id, so that exactly k tokens are kept. The kept probabilities are renormalised.

The n-th random number of a sample depends only on (seed, line, sample, n), not on batches or order. Philox (Salmon et al. 2011) is a counter-based generator: its n-th number is a function of a key and a counter. The seed is the
key; line and sample are the upper half of the counter.

`sample` returns hypotheses like those of beam search, each row sampled with its own random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.decoding.beam import Hypothesis
from seqcli.decoding.logits import HostLogits, repeats, step_of
from seqcli.interfaces import AutoregressiveModel, Logits, State
from seqcli.ranges import REPETITION_PENALTY, SHARE, TEMPERATURE, TOP_K, check, ranged


@dataclass(frozen=True)
class Policy:
    """The defaults leave the distribution unchanged. Raises UsageError for a number outside its range."""

    temperature: float = ranged(TEMPERATURE, 1.0)
    top_k: int | None = ranged(TOP_K, None)
    top_p: float = ranged(SHARE, 1.0)
    min_p: float = ranged(SHARE, 0.0)
    repetition_penalty: float = ranged(REPETITION_PENALTY, 1.0)

    def __post_init__(self):
        check(self)

    @property
    def random(self) -> bool:
        """Whether sampling needs random numbers: not if only one token can be chosen. (Min-p keeps all of several
        equally likely tokens, even at 1.)"""
        return self.temperature > 0 and self.top_k != 1 and self.top_p > 0


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
    logits: Logits = HostLogits(log_prob.copy(), normalised=True)
    step = step_of(model)
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
            logits, state = step(token[on], state.reorder(on))
        alive, ids, total = alive[on], ids[on], total[on]
    return [found[row] for row in range(len(found))]
