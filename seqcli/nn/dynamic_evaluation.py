"""Dynamic evaluation: gradient descent on the text that was scored (Krause et al. 2018, "Dynamic evaluation of neural sequence
models").

    plain     w <- w - rate g + decay (w0 - w)
    scaled    w <- w - rate g / (rms + 1e-5) + min(1, decay rms / mean(rms)) (w0 - w)

w0 are the trained weights, g the gradient of the mean loss of a segment, rms the root mean square of such gradients on
training text, weight by weight, and mean(rms) its mean over all weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPSILON = 1e-5


class DynamicWeights:
    """Updates the weights of a network; `restart` restores the trained ones."""

    def __init__(self, network: nn.Module, *, learning_rate: float, decay: float):
        self._rate, self._decay = learning_rate, decay
        self._weights: list[Tensor] = [weight for weight in network.parameters() if weight.requires_grad]
        self._trained = [weight.detach().clone() for weight in self._weights]
        self._squares: list[Tensor] | None = None
        self._segments = 0
        self._scales: list[Tensor] | None = None  # rms
        self._decays: list[Tensor] | None = None
        for part in network.modules():
            if isinstance(
                part, nn.RNNBase
            ):  # cuDNN computes gradients only in training mode; these layers have no dropout
                part.train()

    @property
    def scaled(self) -> bool:
        return self._scales is not None

    @torch.no_grad()
    def restart(self) -> None:
        """Restores the trained weights."""
        torch._foreach_copy_(self._weights, self._trained)

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """The gradients of all weights; zeros for a weight that does not affect the loss."""
        found = torch.autograd.grad(loss, self._weights, allow_unused=True)
        return [torch.zeros_like(w) if g is None else g for w, g in zip(self._weights, found)]

    def collect(self, loss: Tensor) -> None:
        """Adds the gradient of a segment of training text to the statistics."""
        grads = self.gradients(loss)
        if self._squares is None:
            self._squares = [torch.zeros_like(grad) for grad in grads]
        torch._foreach_addcmul_(self._squares, grads, grads)
        self._segments += 1

    def scale(self) -> None:
        """Scales further steps by the collected statistics."""
        assert self._squares is not None, "statistics need training text"
        self._scales = [(square / self._segments).sqrt_() for square in self._squares]
        mean = sum(float(rms.sum(dtype=torch.float64)) for rms in self._scales) / sum(map(Tensor.numel, self._scales))
        self._decays = [(rms * (self._decay / mean if mean else 0)).clamp_max_(1) for rms in self._scales]
        torch._foreach_add_(self._scales, _EPSILON)
        self._squares = None

    def step(self, loss: Tensor) -> None:
        """Updates the weights. loss: mean loss of a segment, [] with gradients."""
        grads = self.gradients(loss)
        with torch.no_grad():
            if self._scales is not None:
                torch._foreach_div_(grads, self._scales)
            back = list(torch._foreach_sub(self._trained, self._weights))
            torch._foreach_mul_(back, self._decay if self._decays is None else self._decays)
            torch._foreach_add_(self._weights, grads, alpha=-self._rate)
            torch._foreach_add_(self._weights, back)
