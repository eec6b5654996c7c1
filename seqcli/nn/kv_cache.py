"""The keys and values that a causal Transformer has computed, for use by later tokens. Rows may differ in length;
positions beyond a row's length are never attended to.

The hypotheses of one text differ only in their last tokens. In beam search they are consecutive rows that share a buffer
(`SharedKVCache`): each row attends only to the slots of its own tokens, so nothing is copied when hypotheses are dropped and
extended. Copying all keys and values at every step took a fifth of the time of a search.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from seqcli.nn.device import to_device

_FEW = 4  # additional positions allocated when rows are selected
_ROOM = 64  # minimum number of positions allocated at a time; at least half of those in use
_CLEARED = 2048  # maximum number of positions over all rows, since new buffers are cleared
_SHARING = 16  # maximum number of rows that share a buffer


class _Room:
    """A buffer for S positions of B rows, shared by a state and the states that continue it. parts: tokens int64 [B, S];
    keys, then values of each layer [B, S, G, K]. written: number of positions used."""

    def __init__(self, parts: list[Tensor], written: int):
        self.parts, self.written = parts, written

    @property
    def size(self) -> int:
        return self.parts[0].shape[1]

    def moved(self, kept: int, *, need: int) -> _Room:
        """The first `kept` positions, copied to a new buffer for at least `need` positions."""
        size = need + max(min(_ROOM, _CLEARED // len(self.parts[0])), need // 2)
        return _Room([_padded(part[:, :kept], size) for part in self.parts], kept)

    def chosen(self, rows: Tensor, kept: int) -> _Room:
        """The first `kept` positions of these rows, copied to a new buffer with a few more positions: beam search reorders at nearly
        every step, and clearing a large buffer that is soon discarded takes longer than the copy."""
        size, parts = min(self.size, kept + _FEW), []
        for part in self.parts:
            new = part.new_zeros(len(rows), size, *part.shape[2:])
            new[:, :kept] = part[:, :kept].index_select(0, rows)
            parts.append(new)
        return _Room(parts, kept)


class KVCache:
    """lengths: int64 [B], tokens read by each row, on the CPU; longest: their maximum; even: whether all are equal. A
    state is immutable: if another state has already continued it in the same buffer, the next one gets a copy."""

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
        """The state after more tokens, [B, T], to which every layer still has to `add` their keys and values."""
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
        """bool [B or 1, 1, T, S]: a new token attends to positions up to its own. None if that is all of them, or
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
        return to_device((self.lengths - self._new)[:, None] + np.arange(self._new), device)

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
        return tokens.gather(1, to_device((self.lengths - count)[:, None] + np.arange(count), tokens.device))

    def reorder(self, rows: np.ndarray) -> KVCache | SharedKVCache:
        rows = np.asarray(rows, np.int64)
        if np.array_equal(rows, np.arange(len(self.lengths))):
            return self
        if self.even and self.longest and (begins := _runs(rows)) is not None:
            kept, each = rows[begins], len(rows) // len(begins)
            slots = np.broadcast_to(np.arange(self.longest), (len(kept), each, self.longest))
            return SharedKVCache(self._room, slots, written=self.longest).of(kept)
        where = to_device(rows, self._room.parts[0].device)
        return KVCache(self._room.chosen(where, self.longest), self.lengths[rows])

    def joined(self, states: list[KVCache]) -> KVCache:
        states = [state.separate() if isinstance(state, SharedKVCache) else state for state in states]
        lengths = np.concatenate([state.lengths for state in states])
        size = max(state._room.size for state in states)
        parts = [
            torch.cat([_padded(part, size) for part in each]) for each in zip(*(state._room.parts for state in states))
        ]
        return KVCache(_Room(parts, int(lengths.max())), lengths)


class SharedKVCache:
    """A cache in which `each` consecutive rows form a group with one buffer. Every step adds one token per row.

    slots: int64 [groups, each, T], the slots of the tokens of each row in the buffer of its group; written: number of slots used.
    """

    even = True

    def __init__(self, room: _Room, slots: np.ndarray, *, written: int):
        self._room, self._slots, self._written = room, slots, written
        self.each, self.longest = slots.shape[1:]
        self.lengths = np.full(len(slots) * self.each, self.longest, np.int64)

    def of(self, groups: np.ndarray) -> SharedKVCache:
        """The tokens of each row from the buffer of these groups, int64 [B]."""
        if np.array_equal(groups, np.arange(len(self._room.parts[0]))):
            return self
        return self._moved(groups, need=0)

    def after(self, tokens: Tensor) -> KVCache | SharedKVCache:
        """See `KVCache.after`."""
        if tokens.shape[1] != 1:
            return self.separate().after(tokens)
        if self._room.written != self._written or self._room.size < self._written + self.each:
            return self._moved(np.arange(len(self._slots)), need=self.each).after(tokens)
        new = np.broadcast_to(self._written + np.arange(self.each)[:, None], (len(self._slots), self.each, 1))
        state = SharedKVCache(self._room, np.concatenate([self._slots, new], axis=2), written=self._written + self.each)
        self._room.written = state._written
        state._write(0, tokens)
        return state

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Writes the keys and values of the new tokens, [B, 1, G, K]; returns those in all slots, [groups, S, G, K]."""
        return self._write(1 + 2 * layer, keys), self._write(2 + 2 * layer, values)

    def mask(self) -> Tensor:
        """bool [groups, 1, each, S]: the slots of each row."""
        seen = torch.zeros(len(self._slots), self.each, self._written, dtype=torch.bool, device=self._device)
        return seen.scatter_(2, to_device(self._slots, self._device), True)[:, None]

    @property
    def positions(self) -> Tensor:
        """The position of the new tokens: int64 [1, 1]."""
        return torch.full((1, 1), self.longest - 1, device=self._device)

    @property
    def _device(self) -> torch.device:
        return self._room.parts[0].device

    def _write(self, number: int, new: Tensor) -> Tensor:
        part = self._room.parts[number]
        part[:, self._written - self.each : self._written] = new.view(len(self._slots), self.each, *part.shape[2:])
        return part[:, : self._written]

    def last(self, count: int) -> Tensor:
        """See `KVCache.last`."""
        return self._at(self._room.parts[0], self._slots[:, :, self.longest - count :])

    def reorder(self, rows: np.ndarray) -> KVCache | SharedKVCache:
        rows = np.asarray(rows, np.int64)
        if np.array_equal(rows, np.arange(len(self.lengths))):
            return self
        begins = _runs(rows // self.each)
        if begins is None:
            return self.separate().reorder(rows)
        slots = self._slots.reshape(-1, self.longest)[rows].reshape(len(begins), -1, self.longest)
        return SharedKVCache(self._room, slots, written=self._written).of(rows[begins] // self.each)

    def joined(self, states: list[KVCache | SharedKVCache]) -> KVCache:
        apart = [state.separate() if isinstance(state, SharedKVCache) else state for state in states]
        return apart[0].joined(apart)

    def separate(self) -> KVCache:
        """A cache with a buffer for each row."""
        return KVCache(_Room([self._at(part, self._slots) for part in self._room.parts], self.longest), self.lengths)

    def _at(self, part: Tensor, slots: np.ndarray) -> Tensor:
        """[groups, S, ...] -> [B, T, ...], the contents of these slots of each row, int64 [groups, each, T]."""
        where = to_device(slots, part.device).flatten(1)
        return (
            part[torch.arange(len(part), device=part.device)[:, None], where]
            .unflatten(1, slots.shape[1:])
            .flatten(0, 1)
        )

    def _moved(self, groups: np.ndarray, *, need: int) -> SharedKVCache:
        """The buffer of these groups, copied to a new one with the slots that their rows use and more, at least `need`."""
        used = np.zeros((len(groups), self._written), bool)
        np.put_along_axis(used, self._slots.reshape(len(groups), -1), True, axis=1)
        written = int(used.sum(axis=1).max())
        kept = np.argsort(~used, axis=1, kind="stable")[:, :written]  # padded with unused ones if a group has fewer
        slots = np.take_along_axis(used.cumsum(axis=1) - 1, self._slots.reshape(len(groups), -1), axis=1)
        where, whose = (to_device(each, self._device) for each in (kept, groups[:, None]))
        size = written + max(_ROOM, written // 2, need)
        parts = []
        for part in self._room.parts:
            wide = part.new_empty(len(groups), size, *part.shape[2:])
            wide[:, :written] = part[whose, where]
            parts.append(wide)
        return SharedKVCache(_Room(parts, written), slots.reshape(self._slots.shape), written=written)


def _runs(rows: np.ndarray) -> np.ndarray | None:
    """The first row of each run of equal rows, if all runs have the same length from 2 to `_SHARING`; otherwise None."""
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    each, rest = divmod(len(rows), max(len(begins), 1))
    shared = not rest and 1 < each <= _SHARING and np.array_equal(np.repeat(rows[begins], each), rows)
    return begins if shared else None


def _padded(part: Tensor, size: int) -> Tensor:
    """[B, S, ...] -> [B, size, ...], filled with zeros, since even masked values must be finite."""
    wide = part.new_zeros(part.shape[0], size, *part.shape[2:])
    wide[:, : part.shape[1]] = part
    return wide
