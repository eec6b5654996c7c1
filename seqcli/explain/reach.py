"""How far back a model uses its context, measured in three ways.

Loss by context: the same tokens predicted from only the last 1, 2, 4 ... tokens. For an n-gram model it is constant beyond N - 1.

Gradients: the norm of the gradient of the loss at a token with respect to an earlier input, || d loss(t) / d x(t - d) ||. If it falls
exponentially with d, gradients vanish; if it grows, they explode (Bengio et al. 1994, Pascanu et al. 2013). For comparison, the same
is computed for the network with random weights, as before training.

Cost: seconds and multiply-adds of reading a text, and the number of sequential steps: a Transformer reads all tokens at once, a
recurrent network one after another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqcli.explain.model_inputs import network_of, pieces_of, with_start
from seqcli.interfaces import OpenModel, is_pseudo
from seqcli.results.views import ContextLoss, Cost, GradientNorm, Reach
from seqcli.token_batch import TokenBatch

_CONTEXTS = tuple(2**k for k in range(11))
_LENGTHS = (16, 32, 64, 128, 256)
_PLACES = 32  # number of tokens over which gradients are averaged
_PASSES = 3  # of which the fastest is reported


def reach(opened: OpenModel, text: str, *, untrained: Any = None) -> Reach:
    """untrained: the same network with random weights, of a neural model."""
    ids = [piece.id for piece in pieces_of(opened, text)]
    contexts = context_losses(opened, ids)
    if not hasattr(opened.model, "body"):
        return Reach(contexts, costs=costs(opened))
    return Reach(
        contexts,
        gradients(network_of(opened), ids),
        gradients(untrained, ids) if untrained is not None else [],
        costs(opened),
    )


def context_losses(opened: OpenModel, ids: Sequence[int]) -> list[ContextLoss]:
    """The mean loss of all tokens of a text if the model reads at most 1, 2, 4 ... tokens before each, as the beginning of a text;
    the last entry is for the whole text. Empty for a masked model, which reads both sides."""
    if is_pseudo(opened.model):
        return []
    row, found = np.array(ids, np.int32), []
    for most in [*(size for size in _CONTEXTS if size < len(row)), len(row)]:
        rows = [row[max(0, place - most) : place + 1] for place in range(len(row))]
        scores = opened.model.score(TokenBatch.of(rows)).log_prob
        ends = np.cumsum([len(each) for each in rows]) - 1
        found.append(ContextLoss(most, float(-scores[ends].mean(dtype=np.float64))))
    return found


def gradients(model: Any, ids: Sequence[int]) -> list[GradientNorm]:
    """The mean norm of d loss(t) / d x(t - d) for d = 0, 1 ... over the last tokens t of a text; x: the embedded inputs, d = 0 is the
    token immediately before the predicted one. Only the beginning of a text that is longer than the window is used."""
    import torch
    from torch.nn import functional as F

    _, begun = with_start([])
    sequence = [*begun, *ids][: None if model.window is None else model.window + 1]
    tokens, targets = torch.tensor([sequence[:-1]]), torch.tensor(sequence[1:])
    length = len(targets)
    sums, counts = np.zeros(length), np.zeros(length)
    with torch.enable_grad():
        x, features = _embedded(model, tokens)
        logits = model.head(features)[0].float()
        losses = F.cross_entropy(logits, targets, reduction="none")
        for place in range(max(0, length - _PLACES), length):
            (grad,) = torch.autograd.grad(losses[place], x, retain_graph=True)
            own = grad[0, -length:][: place + 1]  # a fixed window is padded with `<s>` before the text
            sums[: place + 1] += own.norm(dim=-1).flip(0).double().numpy()
            counts[: place + 1] += 1
    return [GradientNorm(d, float(total / count)) for d, (total, count) in enumerate(zip(sums, counts)) if count]


def _embedded(model: Any, tokens: Any) -> tuple[Any, Any]:
    """The embedded inputs [1, T, D], for which gradients are computed, and the features."""
    from seqcli.nn.recurrent import RecurrentStack

    if isinstance(model.body, RecurrentStack):  # its kernels embed the tokens themselves
        x = model.body.embedded(tokens).detach().requires_grad_()
        return x, model.body.run(x)[0]
    kept: list[Any] = []

    def keep(module: Any, inputs: Any, output: Any) -> Any:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    hook = model.body.embedding.register_forward_hook(keep)
    try:
        features = model.features(tokens)[0]
    finally:
        hook.remove()
    return kept[0], features


def costs(opened: OpenModel) -> list[Cost]:
    """The cost of scoring one text of 16 to 256 tokens."""
    rng, found = np.random.default_rng(0), []
    for length in _LENGTHS:
        row = rng.integers(3, max(4, opened.model.vocab_size), length).astype(np.int32)
        batch = TokenBatch.one(row)
        seconds = []
        for _ in range(_PASSES):
            begun = time.perf_counter()
            opened.model.score(batch)
            seconds.append(time.perf_counter() - begun)
        operations, steps = _operations(opened, length)
        found.append(Cost(length, min(seconds), operations, steps))
    return found


def _operations(opened: OpenModel, length: int) -> tuple[int, int]:
    """The number of multiply-adds of the matrix products, including attention, and the number of sequential steps."""
    if not hasattr(opened.model, "body"):
        return 0, 1  # a lookup without matrix products
    from seqcli.nn.recurrent import RecurrentStack
    from seqcli.nn.transformer import TransformerStack

    model = network_of(opened)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "embedding" not in name)
    if model.head.weight is model.body.embedding.weight:
        matrices += model.head.weight.numel()
    operations = matrices * length
    if isinstance(model.body, TransformerStack):
        width = model.body.heads * model.body.head_width
        operations += (
            len(model.body.layers) * length * length * width
        )  # scores and weighted sums, for half of the pairs each
    return operations, length if isinstance(model.body, RecurrentStack) else 1
