"""GPT-2 as PyTorch's own modules make it, compiled: the peer that `gpu.py` measures training against.

What is usual for speed and no more: fused attention, bfloat16 by autocast, a vocabulary rounded up to a multiple of 64, a tied head, fused
AdamW, `torch.compile` of the model with its loss. Left out: evaluation, resuming, a changing learning rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    vocab: int = 50304
    width: int = 768
    layers: int = 12
    heads: int = 12
    window: int = 1024


class Block(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.between(x)), approximate="tanh"))


class PlainGPT(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.tokens, self.places = nn.Embedding(shape.vocab, shape.width), nn.Embedding(shape.window, shape.width)
        self.blocks, self.norm = nn.ModuleList(Block(shape) for _ in range(shape.layers)), nn.LayerNorm(shape.width)
        for embedding in (self.tokens, self.places):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy of targets int64 [B, T] after inputs [B, T]."""
        x = self.tokens(inputs) + self.places(torch.arange(inputs.shape[1], device=inputs.device))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def steps(
    shape: Shape, device: torch.device, *, dtype: torch.dtype, compiled: bool
) -> Callable[[Tensor, Tensor], Tensor]:
    """A step of training on inputs and targets, which gives its loss."""
    torch.manual_seed(0)
    model = PlainGPT(shape).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    loss_of = torch.compile(model) if compiled else model

    def step(inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss = loss_of(inputs, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step
