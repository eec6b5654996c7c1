"""The continuous cache of Grave, Joulin and Usunier (2017, "Improving neural language models with a continuous cache").

The cache holds pairs of a hidden state and the token that followed it. A token is likely after a state if it followed similar states
before. Nothing is trained.
"""

from __future__ import annotations

import torch
from torch import Tensor


class ContinuousCache:
    """theta: flatness; window: number of most recent pairs that a state is compared with."""

    def __init__(self, *, theta: float, window: int):
        self._theta, self._window = theta, window
        self.restart()

    def restart(self) -> None:
        """Forgets all pairs."""
        self._states: Tensor | None = None
        self._tokens: Tensor | None = None

    def log_prob(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Natural log p_cache of each token int64 [n] after its state [n, D], given the pairs before it: float32 [n], NaN if
        there are none. The new pairs are added to the cache. (Equation 2 of the paper.)"""
        states = states.float()
        if self._states is None or self._tokens is None:
            known, followers = states, tokens
        else:
            known, followers = torch.cat([self._states, states]), torch.cat([self._tokens, tokens])
        place = torch.arange(len(known) - len(states), len(known), device=states.device)[:, None]
        other = torch.arange(len(known), device=states.device)
        unseen = (other >= place) | (other < place - self._window)  # [n, known]
        likeness = (self._theta * states @ known.T).masked_fill_(unseen, -torch.inf)
        total = likeness.logsumexp(-1)
        of_token = likeness.masked_fill_(followers != tokens[:, None], -torch.inf).logsumexp(-1)
        self._states, self._tokens = known[-self._window :], followers[-self._window :]
        return of_token - total
