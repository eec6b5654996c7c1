"""The base class of neural translators: encoders of a source, conditioned on which they are language models of its translations.

An architecture says how a source is read (`remember`) and how a translation goes on (`features`). Letters as in
`interfaces.py`; rows are padded on the right, sources with PAD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqcli.interfaces import Scores
from seqcli.nn import inference
from seqcli.nn.attention import CROSS, recorded
from seqcli.nn.device import adapt_threads, to_device, to_host
from seqcli.nn.device_logits import DeviceLogits
from seqcli.nn.inference import Network
from seqcli.text import BOS_ID, PAD, UNK_ID
from seqcli.token_batch import TokenBatch, padded


@dataclass(frozen=True)
class Memory:
    """The encoded sources of a decoder: per layer keys and values, computed once. Beams and samples of one source are consecutive rows that
    share its memory without copies. real: bool [B, S], False for padding; keys: per layer a tuple of tensors [B, ...]; extra: further tensors [B,
    ...]; each: number of rows per source, so B x each rows in all."""

    real: Tensor
    keys: Sequence[tuple[Tensor, ...]]
    extra: tuple[Tensor, ...] = ()
    each: int = 1

    @property
    def rows(self) -> int:
        return len(self.real) * self.each

    def reorder(self, rows: np.ndarray) -> Memory:
        """The memory of these rows (int64 [B']), repeats allowed."""
        sources = np.asarray(rows, np.int64) // self.each
        begins = np.flatnonzero(np.diff(sources, prepend=-1))  # of runs of the same source
        each, rest = divmod(len(sources), max(len(begins), 1))
        if rest or not np.array_equal(np.repeat(sources[begins], each), sources):
            begins, each = np.arange(len(sources)), 1
        kept = sources[begins]
        if np.array_equal(kept, np.arange(len(self.real))):
            return replace(self, each=each)
        return replace(self._at(kept), each=each)

    def joined(self, memories: list[Memory]) -> Memory:
        """The rows of several parts of one memory, concatenated; all have the same number of positions."""
        flat = [m if m.each == 1 else m._at(np.arange(len(m.real)).repeat(m.each)) for m in memories]
        return Memory(
            torch.cat([m.real for m in flat]),
            [tuple(torch.cat(parts) for parts in zip(*layers)) for layers in zip(*(m.keys for m in flat))],
            tuple(torch.cat(parts) for parts in zip(*(m.extra for m in flat))),
        )  # fmt: skip

    def _at(self, sources: np.ndarray) -> Memory:
        """A copy with these sources, int64 [B'], one row each."""
        where = to_device(sources, self.real.device)
        return Memory(
            self.real[where], [tuple(part[where] for part in layer) for layer in self.keys], tuple(part[where] for part in self.extra)
        )  # fmt: skip


class NeuralTranslator(Network):
    """p(target | source) from `remember`, `features` and a linear head. Weights are named `body.*` and `head.*`.
    window: maximum length of a source in tokens, including `</s>`; longer sources have to be cut."""

    window: int = 512
    reads_start = False
    suppress_tokens: tuple[int, ...] = (UNK_ID,)

    def states(self, source: Tensor, real: Tensor) -> Tensor:
        """[B, S, D] of the encoder. source: int64 [B, S], including `</s>`; real: bool [B, S], False for padding."""
        raise NotImplementedError

    def remember(self, source: Tensor, real: Tensor) -> Memory:
        """The memory of a source, computed from its states."""
        raise NotImplementedError

    def features(self, tokens: Tensor, memory: Memory, state: Any = None) -> tuple[Tensor, Any]:
        """tokens: int64 [B, T] of translations, including `<s>` where one begins. Returns [B, T, D] and the state
        after the last token. Without a state rows begin, and the returned state may be None; `beginning` makes one
        for rows that will be continued."""
        raise NotImplementedError

    def beginning(self, memory: Memory) -> Any:
        """The initial state of translations: a `State` that also has `joined(states)`."""
        raise NotImplementedError

    def row_vectors(self, tokens: Tensor) -> Tensor:
        """See `Network.row_vectors`: the mean of the states of the encoder."""
        real = tokens != PAD
        return inference.masked_mean(self.states(tokens.clamp_min(0), real), real)

    @property
    def vocab_size(self) -> int:
        return self.head.weight.shape[0]

    @torch.inference_mode()
    def encode(self, batch: TokenBatch) -> Memory:
        """The memory of these sources, read in one batch."""
        adapt_threads()
        tokens = to_device(padded(batch.rows, fill=PAD), self.device)
        with self.cast():
            return self.remember(tokens.clamp_min(0), tokens != PAD)

    def conditioned_on(self, memory: Memory) -> ConditionedTranslator:
        return ConditionedTranslator(self, memory)

    def loss(
        self,
        source: Tensor,
        target: Tensor,
        *,
        counted: Tensor | None = None,
        state: None = None,
        smoothing: float = 0.0,
    ) -> tuple[Tensor, int, None]:
        """Summed cross-entropy in nats of target [B, T + 1] after its `<s>`, given source [B, S], the number of
        tokens, no state. Both are padded with PAD."""
        memory = self.remember(source.clamp_min(0), source != PAD)
        features, _ = self.features(target[:, :-1].clamp_min(0), memory)
        return *self.cross_entropy(features, target[:, 1:], counted, smoothing=smoothing), None


@dataclass(frozen=True)
class Conditioned:
    """The state of translations and the memory of their sources."""

    own: Any
    memory: Memory

    def reorder(self, rows: np.ndarray) -> Conditioned:
        return Conditioned(self.own.reorder(rows), self.memory.reorder(rows))

    def joined(self, states: list[Conditioned]) -> Conditioned:
        return Conditioned(self.own.joined([s.own for s in states]), self.memory.joined([s.memory for s in states]))


class ConditionedTranslator:
    """A translator given its sources: a language model, row b of which is a translation of source b. Implements
    `interfaces.ConditionedTranslator`."""

    logits_are_log_probs = False

    def __init__(self, model: NeuralTranslator, memory: Memory):
        self._model, self._memory = model, memory

    def extend(
        self, tokens: np.ndarray, lengths: np.ndarray, state: Conditioned | None = None
    ) -> tuple[np.ndarray, Conditioned]:
        """See `interfaces.LanguageModel.extend`; without a state row b begins the translation of source b."""
        logits, state = self._extended(tokens, lengths, state)
        return inference.fetched(logits), state

    @property
    def on_device(self) -> bool:
        """See `interfaces.OnDevice`."""
        return self._model.on_device

    def step(
        self, tokens: np.ndarray, lengths: np.ndarray, state: Conditioned | None = None
    ) -> tuple[DeviceLogits, Conditioned]:
        """See `interfaces.OnDevice.step`."""
        logits, state = self._extended(tokens, lengths, state)
        return DeviceLogits(logits), state

    @torch.inference_mode()
    def _extended(
        self, tokens: np.ndarray, lengths: np.ndarray, state: Conditioned | None
    ) -> tuple[Tensor, Conditioned]:
        with self._model.cast():
            return inference.extend(self._model, tokens, lengths, state, begin=self._beginning, read=self._read)

    def _beginning(self, rows: np.ndarray) -> Conditioned:
        memory = self._memory.reorder(rows)
        return Conditioned(self._model.beginning(memory), memory)

    def _read(self, tokens: Tensor, state: Conditioned) -> tuple[Tensor, Conditioned]:
        features, own = self._model.features(tokens, state.memory, state.own)
        return features, Conditioned(own, state.memory)

    @torch.inference_mode()
    def score(self, batch: TokenBatch, *, rank: bool = False) -> Scores:
        """Natural log p of every token of row b given source b."""
        features, tokens = self._forced(batch)
        kept, targets = np.flatnonzero(tokens[:, 1:] != PAD), to_device(batch.tokens.astype(np.int64), features.device)
        some = features.flatten(0, 1).index_select(0, to_device(kept, features.device))
        with self._model.cast():
            found = inference.of_targets(self._model, some, targets, rank=rank)
        return Scores(found[0], rank=found[1])

    @torch.inference_mode()
    def attention(self, batch: TokenBatch) -> list[np.ndarray]:
        """Attention of each target token to the source tokens: float32 [T, S], rows sum to 1; the mean over layers
        and heads. Computed by forced decoding, so it belongs to these tokens, however they were found."""
        with recorded(CROSS) as maps:
            self._forced(batch)
        mean = to_host(torch.stack([weights.mean(dim=1) for weights in maps]).mean(dim=0))  # [B, T, S]
        sizes = to_host(self._memory.real.sum(dim=1)).tolist()
        return [rows[:length, :size] for rows, length, size in zip(mean, batch.lengths.tolist(), sizes, strict=True)]

    def _forced(self, batch: TokenBatch) -> tuple[Tensor, np.ndarray]:
        """Features [B, T, D] and tokens int64 [B, T + 1], `<s>` first, PAD on the right."""
        tokens = padded([np.append(BOS_ID, row) for row in batch.rows], fill=PAD)
        with self._model.cast():
            read = to_device(np.maximum(tokens[:, :-1], 0), self._model.device)
            features, _ = self._model.features(read, self._memory)
        return features, tokens
