"""Several networks of one shape as one classifier: they begin differently, learn side by side, and are asked together.

What each gets wrong by chance the others outvote (Hansen and Salamon 1990): usually a point of accuracy, for as many times the
work.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from seqcli.nn.classifier import NeuralClassifier


class Ensemble(NeuralClassifier):
    """p(label | text) is the mean of its members'; each learns by its own loss, of which the mean is taken."""

    def __init__(self, members: list[NeuralClassifier]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.window = members[0].window

    @property
    def device(self) -> torch.device:
        return self.members[0].device

    @property
    def labels(self) -> int:
        return self.members[0].labels

    @property
    def held(self) -> bool:
        return self.members[0].held

    def forward(self, tokens: Tensor) -> Tensor:
        shares = torch.stack([member(tokens).log_softmax(-1) for member in self.members])
        return shares.logsumexp(0) - math.log(len(shares))

    def loss(self, tokens: Tensor, targets: Tensor, *, state: None = None, smoothing: float = 0.0) -> tuple[Tensor, int, None]:
        total, count = torch.zeros((), device=tokens.device), 0
        for member in self.members:
            member.label_weights = self.label_weights
            own, count, _ = member.loss(tokens, targets, smoothing=smoothing)
            total = total + own / len(self.members)
        return total, count, None


def several(make: Callable[[], NeuralClassifier], members: int) -> NeuralClassifier:
    """One network, or an ensemble of so many."""
    return make() if members == 1 else Ensemble([make() for _ in range(members)])
