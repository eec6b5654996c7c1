"""The base class of all networks: device, precision and batch size of inference, and log-probabilities of tokens.

`extend` reads rows of one length together, then joins their states; log-probabilities of tokens are computed from features and a
head, a bounded number of logits at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqcli import finite
from seqcli.interfaces import State
from seqcli.nn.cross_entropy import SoftTargets, linear_cross_entropy
from seqcli.nn.device import adapt_threads, to_device, to_host
from seqcli.nn.linear import Linear, hold, multiplied_in
from seqcli.text import BOS_ID

_ON_DEVICE = 1 << 16  # minimum number of tokens per pass on a GPU, which a few thousand do not keep busy


def chosen(targets: Tensor, counted: Tensor | None) -> Tensor:
    """Indices of the targets that are counted: int64 [n]."""
    return (targets.reshape(-1) >= 0).nonzero()[:, 0] if counted is None else counted


class Network(nn.Module):
    """A body, whose first weights are an embedding, and a linear head. batch_tokens: tokens per pass, including
    padding; window: maximum number of tokens read at once, None for any; carried: the state that training carries
    across batches of running text, with `arrays()` and `of(arrays)`."""

    batch_tokens = 8192
    window: int | None = None
    products, precision = torch.float32, "fp32"  # dtype of matrix products in inference
    impossible: tuple[int, ...] = (BOS_ID,)  # tokens that are never predicted, whatever their logits
    logits_are_log_probs = False
    reads_start = True  # whether rows are read with `<s>` before them
    carried: Any = None
    body: nn.Module
    head: Linear

    def loss(
        self,
        inputs: Tensor,
        targets: Tensor,
        /,
        *,
        counted: Tensor | None = None,
        state: Any = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, Any]:
        """Summed cross-entropy in nats of an `Example` of its task, the number of targets, and the new state.

        counted: indices of its targets, int64 [n], from `Example.counted`, which is computed on the host to avoid a synchronisation;
        by default they are computed on the device.
        """
        raise NotImplementedError

    def masked_loss(
        self,
        inputs: Tensor,
        targets: Tensor,
        /,
        *,
        counted: Tensor | None = None,
        state: Any = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, Any]:
        """As `loss`, for an example with masked inputs, for masked models."""
        raise NotImplementedError

    def cross_entropy(
        self,
        features: Tensor,
        targets: Tensor,
        counted: Tensor | None,
        *,
        smoothing: float,
        soft: Callable[[Tensor], SoftTargets] | None = None,
    ) -> tuple[Tensor, int]:
        """Summed over the targets [B, T] that count, and their number. features: [B, T, D]; soft: the soft targets of the tokens at
        these flat indices, int64 [n]"""
        kept = chosen(targets, counted)
        features, targets = features.flatten(0, 1).index_select(0, kept), targets.reshape(-1).index_select(0, kept)
        total = linear_cross_entropy(
            features, self.head.weight, self.head.bias, targets, smoothing=smoothing, soft=soft(kept) if soft else None
        )
        return total, len(kept)

    def row_vectors(self, tokens: Tensor) -> Tensor:
        """The vector of each row of tokens, [B, D], which represents its text. tokens: int64 [B, T], PAD on the right."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        return next(self.body.parameters()).device  # the device of the embedding

    @property
    def on_device(self) -> bool:
        """Whether to keep logits on the device; False for the CPU, and for devices without float64."""
        return self.device.type not in ("cpu", "mps")

    @property
    def held(self) -> bool:
        """Whether the weights are packed for inference, in a fixed dtype."""
        return self.head.held

    def place(self, placement: Any, *, batch_tokens: int | None = None) -> None:
        """Moves the network to a `training.device.Placement` for inference. It cannot be trained afterwards."""
        self.to(placement.device)
        self.products = multiplied_in(placement.dtype)
        self.precision = placement.precision
        hold(self, placement.dtype)
        least = 0 if placement.device.type == "cpu" else _ON_DEVICE
        self.batch_tokens = batch_tokens or max(self.batch_tokens, least)

    def cast(self) -> torch.autocast:
        """Autocast of matrix products to its dtype, unless the weights are packed in it. Recurrent cells stay in
        float32."""
        return torch.autocast(self.device.type, self.products, enabled=self.products != torch.float32 and not self.held)


def masked_mean(states: Tensor, counted: Tensor) -> Tensor:
    """The mean over the tokens that are counted: states [B, T, D], bool [B, T] -> [B, D]."""
    share = counted[..., None].to(states.dtype)
    return (states * share).sum(1) / share.sum(1).clamp_min(1)


def extend(
    model: Network, tokens: np.ndarray, lengths: np.ndarray, state: State | None, *,
    begin: Callable[[np.ndarray], Any], read: Callable[[Tensor, Any], tuple[Tensor, Any]],
) -> tuple[Tensor, Any]:  # fmt: skip
    """See `interfaces.LanguageModel.extend`; the logits stay on the device.

    begin: returns the state of these rows (int64) before their `<s>`; read: takes tokens, int64 [B, T], and the state before them, and
    returns the features of all of them, [B, T, D], and the new state, which also has `joined(states)`.
    """
    device = model.device
    if state is None:
        tokens = np.concatenate([np.full((len(tokens), 1), BOS_ID), tokens], axis=1)
        lengths = lengths + 1
    assert (lengths > 0).all(), "only a beginning may be empty"
    groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    parts, states = [], []
    adapt_threads()
    for rows in groups:
        part = to_device(tokens[rows, : lengths[rows[0]]].astype(np.int64), device)
        before = begin(rows) if state is None else state if len(groups) == 1 else state.reorder(rows)
        features, after = read(part, before)
        parts.append(logits(model, features[:, -1]))
        states.append(after)
    if len(groups) == 1:
        return parts[0], states[0]
    order = np.argsort(np.concatenate(groups))
    return torch.cat(parts).index_select(0, to_device(order, device)), states[0].joined(states).reorder(order)


def fetched(logits: Tensor) -> np.ndarray:
    """The logits on the host, float32 [B, V]. Raises ModelError if they are not finite."""
    values = to_host(logits)
    finite.check_logits(values)
    return values


_PRODUCT = 1 << 24  # logits per matrix product, which is more efficient with many rows
_LOGITS = 1 << 21  # logits normalised at a time, which fit the CPU cache


def rows_at_once(model: Network) -> int:
    """The number of rows whose logits are normalised together."""
    return max(1, (_LOGITS if model.device.type == "cpu" else _PRODUCT) // model.head.out_features)


def logits(model: Network, features: Tensor) -> Tensor:
    """float32 [..., V] of features [..., D]."""
    return _possible(model.head(features), model.impossible)


def of_targets(
    model: Network, features: Tensor, targets: Tensor, *, rank: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Natural log p (float32 [n]) of targets [n] from features [n, D], and their ranks (int64 [n]) if requested."""
    log_probs, ranks = [], []
    head, size = model.head, model.head.out_features
    for part, part_targets in zip(*(x.split(max(1, _PRODUCT // size)) for x in (features, targets))):
        some = rows_at_once(model)
        for raw, token in zip(head(part).split(some), part_targets[:, None].split(some)):
            values = _possible(raw, model.impossible)
            if rank:
                ranks.append(1 + (values > values.gather(-1, token)).sum(-1))
            log_probs.append(
                values.log_softmax(-1).gather(-1, token)[:, 0]
            )  # a fused kernel, while logsumexp makes five passes
    empty = np.zeros(0, np.float32)
    lp = to_host(torch.cat(log_probs)) if log_probs else empty
    return lp, (to_host(torch.cat(ranks)) if ranks else empty.astype(np.int64)) if rank else None


def _possible(raw: Tensor, impossible: tuple[int, ...]) -> Tensor:
    values = raw.float()
    for token in impossible:
        values[..., token] = -torch.inf
    return values
