"""The keys and values that a causal Transformer has computed, kept for the tokens to come.

Rows may have read different numbers of tokens: each has its length, and what lies beyond it is never attended to.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_ROOM = 64  # positions are allocated so many at a time


class KVCache:
    """keys, values: per layer [B, H, S, K], S >= the longest length; lengths: int64 [B] on the CPU.

    tokens: int64 [B, S'], what was read, for a window that has to begin anew.
    """

    def __init__(self, keys: list[Tensor], values: list[Tensor], lengths: Tensor, tokens: Tensor):
        self.keys, self.values, self.lengths, self.tokens = keys, values, lengths, tokens

    @classmethod
    def empty(cls, rows: int, *, layers: int, heads: int, width: int, like: Tensor) -> KVCache:
        nothing = [like.new_empty(rows, heads, 0, width) for _ in range(layers)]
        zeros = torch.zeros(rows, dtype=torch.int64)
        return cls(nothing, list(nothing), zeros, zeros.new_empty(rows, 0))

    @property
    def even(self) -> bool:
        """All rows have the same length."""
        return bool((self.lengths == self.lengths[0]).all())

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Adds keys and values [B, H, T, K] of new tokens (lengths grow by `advance`); returns all up to them."""
        count, longest = keys.shape[2], int(self.lengths.max())
        end = longest + count
        if self.keys[layer].shape[2] < end:
            room = (end + _ROOM - 1) // _ROOM * _ROOM - self.keys[layer].shape[2]
            for kept in (self.keys, self.values):
                kept[layer] = torch.cat([kept[layer], kept[layer].new_zeros(*kept[layer].shape[:2], room, kept[layer].shape[3])], 2)
        if self.even:
            self.keys[layer][:, :, longest:end], self.values[layer][:, :, longest:end] = keys, values
        else:
            row = torch.arange(len(self.lengths))[:, None]
            place = self.lengths[:, None] + torch.arange(count)  # [B, T]
            self.keys[layer][row, :, place] = keys.transpose(1, 2)
            self.values[layer][row, :, place] = values.transpose(1, 2)
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def advance(self, tokens: Tensor) -> KVCache:
        """After tokens [B, T] have been written in every layer."""
        count, longest = tokens.shape[1], int(self.lengths.max())
        read = torch.cat([self.tokens[:, :longest], torch.zeros_like(tokens, device="cpu")], 1)
        read.scatter_(1, self.lengths[:, None] + torch.arange(count), tokens.cpu())
        return KVCache(self.keys, self.values, self.lengths + count, read)

    def last(self, count: int) -> Tensor:
        """The last `count` tokens of every row, int64 [B, count]; all rows have that many."""
        return self.tokens.gather(1, self.lengths[:, None] - count + torch.arange(count))

    def reorder(self, rows: np.ndarray) -> KVCache:
        index = torch.from_numpy(np.asarray(rows, np.int64))
        where = index.to(self.keys[0].device)
        keys, values = ([tensor[where] for tensor in kept] for kept in (self.keys, self.values))
        return KVCache(keys, values, self.lengths[index], self.tokens[index])

    def joined(self, states: list[KVCache]) -> KVCache:
        room = max(state.keys[0].shape[2] for state in states)

        def wide(tensor: Tensor) -> Tensor:
            return torch.cat([tensor, tensor.new_zeros(*tensor.shape[:2], room - tensor.shape[2], tensor.shape[3])], 2)

        keys, values = (
            [torch.cat([wide(getattr(state, name)[layer]) for state in states]) for layer in range(len(self.keys))]
            for name in ("keys", "values")
        )
        longest = max(state.tokens.shape[1] for state in states)
        tokens = [torch.nn.functional.pad(state.tokens, (0, longest - state.tokens.shape[1])) for state in states]
        return KVCache(keys, values, torch.cat([state.lengths for state in states]), torch.cat(tokens))
