"""Logits that stay on their device: search and sampling select tokens there, and only the selected ones are copied to the host.

Implements `interfaces.Logits` in PyTorch. `decoding/logits.py` does the same in numpy, for the CPU; the tests
compare the two. Ties are broken in the same way, and sums are float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from seqcli import finite
from seqcli.interfaces import Best, Drawn, Sampling
from seqcli.nn.device import to_device, to_host


class DeviceLogits:
    """values: float32 [B, V]."""

    def __init__(self, values: Tensor):
        self._values = values

    @torch.inference_mode()
    def best(
        self, k: int, *, never: Sequence[int] = (), forbidden: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Best:
        """See `interfaces.Logits.best`."""
        values = self._allowed(never, forbidden)
        k = min(k, values.shape[1])
        tokens = torch.arange(values.shape[1], device=values.device)
        places = (_ordered(values) << 32 | (values.shape[1] - 1 - tokens)).topk(k, dim=1).indices
        chosen = values.gather(1, places).double()
        found = to_host(torch.cat([places.double(), chosen, self._normaliser()], dim=1))  # a single synchronisation
        normaliser = found[:, -1]
        finite.check_normalisers(normaliser)
        return Best(found[:, :k].astype(np.int64), found[:, k:-1].astype(np.float32), normaliser)

    @torch.inference_mode()
    def draw(
        self, policy: Sampling, u: np.ndarray, *, history: np.ndarray | None = None, never: Sequence[int] = (),
        forbidden: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Drawn:  # fmt: skip
        """See `interfaces.Logits.draw`."""
        values, normaliser = self._allowed(never, forbidden), self._normaliser()
        if policy.repetition_penalty != 1 and history is not None:
            values, there = values.double(), to_device(history.astype(np.int64), values.device)
            old = values.gather(1, there)
            penalised = torch.where(old > 0, old / policy.repetition_penalty, old * policy.repetition_penalty)
            values = values.scatter(1, there, penalised)
        if policy.temperature == 0:
            token = values.argmax(1, keepdim=True)  # ties: the first
        else:
            token = _drawn(_distribution(values, policy), to_device(u, values.device))
        log_prob = self._values.gather(1, token).double() - normaliser
        found = to_host(torch.cat([token.double(), log_prob, normaliser], dim=1))  # a single synchronisation
        finite.check_normalisers(found[:, 2])
        return Drawn(found[:, 0].astype(np.int64), found[:, 1])

    def _normaliser(self) -> Tensor:
        """float64 [B, 1]"""
        return self._values.double().logsumexp(1, keepdim=True)

    def _allowed(self, never: Sequence[int], forbidden: tuple[np.ndarray, np.ndarray] | None) -> Tensor:
        """The values with -inf for tokens that are not allowed."""
        values = self._values
        if len(never):
            values = values.index_fill(1, to_device(np.array(never, np.int64), values.device), -torch.inf)
        if forbidden is not None and len(forbidden[0]):
            rows, tokens = (to_device(each, values.device) for each in forbidden)
            values = values.index_put((rows, tokens), values.new_full((), -torch.inf))
        return values


def _ordered(values: Tensor) -> Tensor:
    """Integers in the same order as float32 values: int64."""
    bits = (values + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    return (bits ^ (bits >> 31 & 0x7FFFFFFF)).long()


def _distribution(values: Tensor, policy: Sampling) -> Tensor:
    """`decoding.logits.distribution` after its first step, for a temperature above 0: float64 [B, V]."""
    x = values - values.amax(1, keepdim=True).double()
    x = x / policy.temperature
    if policy.top_k is not None and policy.top_k < x.shape[1]:
        edge = x.topk(policy.top_k, dim=1).values[:, -1:]
        above, level = x > edge, x == edge
        kept = above | (level & (level.cumsum(1) <= policy.top_k - above.sum(1, keepdim=True)))
        x = x.masked_fill(~kept, -torch.inf)
    x = x.log_softmax(1)
    if policy.top_p < 1:
        p, order = x.exp().sort(dim=1, descending=True, stable=True)
        before = torch.cat([p.new_zeros(len(p), 1), p.cumsum(1)[:, :-1]], dim=1)  # sums of preceding probabilities
        inside = before < policy.top_p
        inside[:, 0] = True
        x = x.masked_fill(~torch.empty_like(inside).scatter(1, order, inside), -torch.inf).log_softmax(1)
    if policy.min_p > 0:
        least = x.amax(1, keepdim=True) + float(np.log(policy.min_p))
        x = x.masked_fill(x < least, -torch.inf).log_softmax(1)
    return x


def _drawn(log_prob: Tensor, u: Tensor) -> Tensor:
    """`decoding.logits.draw`: int64 [B, 1]. Parallel cumulative sums may decrease by rounding, so excluded tokens are also excluded here."""
    sums, may = log_prob.exp().cumsum(1), log_prob > -torch.inf
    beyond = may & (sums > u[:, None] * sums[:, -1:])
    places = torch.arange(log_prob.shape[1], device=log_prob.device)
    last = torch.where(may, places, -1).amax(1, keepdim=True)
    first = torch.where(beyond, places, len(places)).amin(1, keepdim=True)
    return torch.minimum(first, last).clamp_min(0)  # for NaN, which raises an error when it is fetched
