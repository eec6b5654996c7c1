"""The logits of a decoding step, for search and sampling: in numpy, or on the device of the network that computed them.

Copying [B, V] logits from a device at every step would be slow, so `nn/device_logits.py` selects tokens on the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqcli.decoding import policy as policies
from seqcli.decoding.policy import Policy
from seqcli.interfaces import AutoregressiveModel, Best, Drawn, Logits, OnDevice, State


class HostLogits:
    """Logits in numpy, for a single call of `best` or `draw`. values: float [B, V], may be overwritten; log_probs: whether they
    are log-probabilities, which need no normalisation; may: bool [B, V], tokens that can be drawn, None for all."""

    def __init__(self, values: np.ndarray, *, log_probs: bool, may: np.ndarray | None = None):
        self._values, self._log_probs, self._may = values, log_probs, may

    def best(
        self, k: int, *, never: Sequence[int] = (), forbidden: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Best:
        """See `interfaces.Logits.best`."""
        normaliser = np.zeros(len(self._values)) if self._log_probs else policies.log_normaliser(self._values)
        _strike(self._values, never, forbidden)
        tokens = policies.top(self._values, k)
        return Best(tokens, np.take_along_axis(self._values, tokens, axis=1), normaliser)

    def draw(
        self, policy: Policy, u: np.ndarray, *, history: np.ndarray | None = None, never: Sequence[int] = (),
        forbidden: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Drawn:  # fmt: skip
        """See `interfaces.Logits.draw`."""
        allowed = self._values.copy() if self._may is None else np.where(self._may, self._values, -np.inf)
        _strike(allowed, never, forbidden)
        drawn = policies.draw(policy.log_probs(allowed, history=history), u)
        log_prob = self._values.astype(np.float64) if self._log_probs else policies.log_softmax(self._values)
        return Drawn(drawn, np.take_along_axis(log_prob, drawn[:, None], axis=1)[:, 0])


def _strike(values: np.ndarray, never: Sequence[int], forbidden: tuple[np.ndarray, np.ndarray] | None) -> None:
    """Sets the logits of tokens that are not allowed to -inf, in place."""
    values[:, list(never)] = -np.inf
    if forbidden is not None:
        values[forbidden] = -np.inf


def extended(model: AutoregressiveModel, tokens: np.ndarray, state: State) -> tuple[Logits, State]:
    """The logits after one more token of each row, int [B], and the new state."""
    step, lengths = tokens.reshape(-1, 1).astype(np.int32), np.ones(len(tokens), np.int64)
    if isinstance(model, OnDevice) and model.on_device:
        return model.step(step, lengths, state)
    values, state = model.extend(step, lengths, state)
    return HostLogits(values, log_probs=model.logits_are_log_probs), state
