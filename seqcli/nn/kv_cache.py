"""The keys and values that a causal Transformer has computed, for use by later tokens. Rows may differ in length;
positions beyond a row's length are never attended to."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

_FEW = 4  # positions allocated beside those that are kept for other rows
_ROOM = 64  # positions allocated at a time, at least half as many as there are
_CLEARED = 2048  # of all rows together: of many rows fewer, since their space is cleared


class _Room:
    """Space for S positions of B rows, shared by a state and the states that continue it. parts: tokens int64 [B, S];
    keys, then values of each layer [B, S, G, K]. written: number of positions used."""

    def __init__(self, parts: list[Tensor], written: int):
        self.parts, self.written = parts, written

    @property
    def size(self) -> int:
        return self.parts[0].shape[1]

    def moved(self, kept: int, *, need: int) -> _Room:
        """The first `kept` positions, in new space for `need` and some more."""
        size = need + max(min(_ROOM, _CLEARED // len(self.parts[0])), need // 2)
        return _Room([_padded(part[:, :kept], size) for part in self.parts], kept)

    def chosen(self, rows: Tensor, kept: int) -> _Room:
        """The first `kept` positions of these rows, in new space with room for a few more: beam search reorders at nearly every
        step, and to clear space that is given up again costs more than the copy."""
        size, parts = min(self.size, kept + _FEW), []
        for part in self.parts:
            new = part.new_zeros(len(rows), size, *part.shape[2:])
            new[:, :kept] = part[:, :kept].index_select(0, rows)
            parts.append(new)
        return _Room(parts, kept)


class KVCache:
    """lengths: int64 [B], tokens read by each row, on the CPU; longest: their maximum; even: whether all are equal. A
    state is immutable: if another state has already continued it in the same room, the next one takes a copy."""

    def __init__(self, room: _Room, lengths: np.ndarray, *, new: int = 0):
        self.lengths, self.longest = lengths, int(lengths.max())
        self.even = self.longest == int(lengths.min())
        self._room, self._new = room, new

    @classmethod
    def empty(
        cls, rows: int, *, layers: int, groups: int, width: int, dtype: torch.dtype, device: torch.device
    ) -> KVCache:
        tokens = torch.empty(rows, 0, dtype=torch.int64, device=device)
        return cls(
            _Room([tokens] + [tokens.new_empty(rows, 0, groups, width, dtype=dtype)] * 2 * layers, 0),
            np.zeros(rows, np.int64),
        )

    def after(self, tokens: Tensor) -> KVCache:
        """The state after tokens [B, T] more, to which every layer still has to `add` their keys and values."""
        room, count = self._room, tokens.shape[1]
        need = self.longest + count
        if room.written != self.longest or room.size < need:
            room = room.moved(self.longest, need=need)
        room.written = need
        state = KVCache(room, self.lengths + count, new=count)
        state._write(0, tokens)
        return state

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Writes the keys and values of the new tokens, [B, T, G, K]; returns those of all tokens so far, [B, S, G,
        K]."""
        return self._write(1 + 2 * layer, keys), self._write(2 + 2 * layer, values)

    def mask(self) -> Tensor | None:
        """bool [B or 1, 1, T, S]: a new token attends to positions up to its own. None where that is all of them, or
        plain causal attention."""
        if self.even and self._new in (1, self.longest):
            return None
        seen = torch.arange(self.longest, device=self.positions.device)
        return (seen <= self.positions[:, :, None])[:, None]

    @cached_property
    def positions(self) -> Tensor:
        """The positions of the new tokens: int64 [B or 1, T]."""
        device = self._room.parts[0].device
        if self.even:
            return torch.arange(self.longest - self._new, self.longest, device=device)[None]
        return (torch.from_numpy(self.lengths - self._new)[:, None] + torch.arange(self._new)).to(device)

    def _write(self, number: int, new: Tensor) -> Tensor:
        part = self._room.parts[number]
        if self.even:
            part[:, self.longest - self._new : self.longest] = new
        else:
            part[torch.arange(len(part), device=part.device)[:, None], self.positions] = new.to(part.dtype)
        return part[:, : self.longest]

    def last(self, count: int) -> Tensor:
        """The last `count` tokens of every row, int64 [B, count]; all rows have at least that many."""
        tokens = self._room.parts[0]
        places = torch.from_numpy(self.lengths - count)[:, None] + torch.arange(count)
        return tokens.gather(1, places.to(tokens.device))

    def reorder(self, rows: np.ndarray) -> KVCache:
        rows = np.asarray(rows, np.int64)
        if np.array_equal(rows, np.arange(len(self.lengths))):
            return self
        where = torch.from_numpy(rows).to(self._room.parts[0].device)
        return KVCache(self._room.chosen(where, self.longest), self.lengths[rows])

    def joined(self, states: list[KVCache]) -> KVCache:
        lengths = np.concatenate([state.lengths for state in states])
        size = max(state._room.size for state in states)
        parts = [
            torch.cat([_padded(part, size) for part in each]) for each in zip(*(state._room.parts for state in states))
        ]
        return KVCache(_Room(parts, int(lengths.max())), lengths)


def _padded(part: Tensor, size: int) -> Tensor:
    """[B, S, ...] -> [B, size, ...], filled with zeros, since even masked values must be finite."""
    wide = part.new_zeros(part.shape[0], size, *part.shape[2:])
    wide[:, : part.shape[1]] = part
    return wide
