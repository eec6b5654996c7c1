"""Recurrent translator with attention and rnn, lstm or gru cells; the encoder is bidirectional.

additive: attention of Bahdanau et al. (2015), v tanh(W s + U h). multiplicative: of Luong et al. (2015, "general"), s W h.
Both use the decoder's new state. Its output and the attended context make the features of the token (Luong et al., equation
5) and, with input feeding (section 3.3), a part of the next input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.nn.attention import CROSS, is_recorded, record
from seqcli.nn.device import to_device
from seqcli.nn.layers import Modules, dropout, locked_dropout
from seqcli.nn.linear import Linear
from seqcli.nn.recurrent import CELLS, GATES, Cell, RecurrentLayers, RecurrentStack, backwards
from seqcli.nn.translator import Memory, NeuralTranslator
from seqcli.nn.weights import initialise_recurrent, restored
from seqcli.ranges import check, fraction, one_of, setting, within

TASK = "translation"
ATTENTIONS = ("additive", "multiplicative")


@dataclass(frozen=True)
class Config:
    """Settings of a recurrent encoder and decoder."""

    cell: str = one_of(tuple(CELLS), default="gru", help="recurrent cell; each --arch has its own")
    width: int = within(
        2, 1 << 16, default=512, help="width of the decoder state, and of both directions of the encoder together"
    )
    embedding: int = within(1, 1 << 16, default=256, help="width of the token embeddings, and of the output features")
    layers: int = within(1, 64, default=1, help="number of layers")
    attention: str = one_of(ATTENTIONS, default="additive", help="additive (Bahdanau) or multiplicative (Luong)")
    input_feeding: bool = setting(True, help="feed the attended features into the next step")
    dropout: float = fraction(0.0, help="dropout probability")
    word_dropout: float = fraction(0.0, help="share of training tokens replaced by <unk>")
    tied: bool = setting(True, help="share the output matrix with the embedding")
    window: int = within(
        2, 1 << 20, default=512, help="maximum number of tokens read at once; longer texts are read in windows"
    )

    def __post_init__(self):
        check(self)
        if self.width % 2:
            raise ValueError(f"width {self.width} must be even: half of it reads forward, half backward")


class Encoder(nn.Module):
    """Encodes source tokens [B, S] as states [B, S, D]."""

    def __init__(self, config: Config, *, source_size: int):
        super().__init__()
        half = config.width // 2
        self.forth = RecurrentStack(
            vocab_size=source_size, cell=config.cell, embedding=config.embedding, width=half, layers=config.layers,
            dropout=config.dropout, weight_dropout=0.0, word_dropout=config.word_dropout, out=half,
        )  # fmt: skip
        self.back = RecurrentLayers(
            cell=config.cell,
            widths=[config.embedding] + [half] * config.layers,
            dropout=config.dropout,
            weight_dropout=0.0,
        )

    def forward(self, source: Tensor, real: Tensor) -> Tensor:
        embedded, lengths = self.forth.embedded(source), real.sum(dim=1)
        forth, _ = self.forth.run(embedded)
        back, _ = self.back(backwards(embedded, lengths))
        return torch.cat([forth, backwards(back, lengths)], dim=-1)


@dataclass(frozen=True)
class DecoderState:
    """The decoder state: the cell state of each layer, [B, D] each, and the features [B, E] that are fed into the next step."""

    cells: list[tuple[Tensor, ...]]
    fed: Tensor

    def reorder(self, rows: np.ndarray) -> DecoderState:
        where = to_device(np.asarray(rows, np.int64), self.fed.device)
        return DecoderState([tuple(part[where] for part in layer) for layer in self.cells], self.fed[where])

    def joined(self, states: list[DecoderState]) -> DecoderState:
        layers = zip(*(state.cells for state in states))
        return DecoderState(
            [tuple(map(torch.cat, zip(*parts))) for parts in layers], torch.cat([state.fed for state in states])
        )


class Decoder(nn.Module):
    def __init__(self, config: Config, *, vocab_size: int, embedding: nn.Embedding | None):
        super().__init__()
        width, size, gates = config.width, config.embedding, GATES[config.cell]
        self.embedding = embedding or nn.Embedding(vocab_size, size)
        self.additive, self.feeding, self.share = config.attention == "additive", config.input_feeding, config.dropout
        self.begin = Linear(width, width)
        self.input = Linear(size, gates * width)
        if config.input_feeding:
            self.feed = Linear(size, gates * width, bias=False)
        self.cells: Modules[Cell] = Modules(Cell(config.cell, width) for _ in range(config.layers))
        self.between: Modules[Linear] = Modules(Linear(width, gates * width) for _ in range(config.layers - 1))
        self.keys = Linear(width, width, bias=False)
        if self.additive:
            self.query = Linear(width, width)
            self.energy = Linear(width, 1, bias=False)
        self.out = Linear(2 * width, size)

    def remember(self, states: Tensor, real: Tensor) -> Memory:
        weights = real[..., None] / real.sum(dim=1)[:, None, None]
        # [B, D], initialised with the mean of all encoder states
        first = torch.tanh(self.begin((states * weights).sum(dim=1))).float()
        return Memory(real, [(states, self.keys(states).float())], extra=(first,))

    def beginning(self, memory: Memory) -> DecoderState:
        first = memory.extra[0].repeat_interleave(memory.each, dim=0)
        more = (torch.zeros_like(first),) if self.cells[0].kind == "lstm" else ()
        return DecoderState([(first, *more)] * len(self.cells), first.new_zeros(len(first), self.out.out_features))

    def forward(self, tokens: Tensor, memory: Memory, state: DecoderState) -> tuple[Tensor, DecoderState]:
        embedded = self.embedding(tokens)
        inputs = self.input(locked_dropout(embedded, self.share) if self.training else embedded)  # [B, T, G D]
        cells, fed, made, looked = list(state.cells), state.fed, [], []
        masks = self._masks(state)
        for step in inputs.unbind(dim=1):
            gates = step + self.feed(fed) if self.feeding else step
            for layer, cell in enumerate(self.cells):
                cells[layer] = cell(gates, cells[layer])
                output = cells[layer][0] if masks is None else cells[layer][0] * masks[layer]
                if layer < len(self.between):
                    gates = self.between[layer](output)
            seen, weights = self.look(output, memory)
            fed = torch.tanh(self.out(torch.cat([output, seen], dim=-1)))
            made.append(fed)
            looked.append(weights)
        if is_recorded(CROSS):
            record(CROSS, torch.stack(looked, dim=1)[:, None].float())
        features = torch.stack(made, dim=1)
        return dropout(features, self.share) if self.training else features, DecoderState(cells, fed)

    def look(self, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attention of rows [B k, D] over sources [B, S, D]: context [B k, D], and weights [B k, S]."""
        states, keys = memory.keys[0]
        rows = state.view(len(keys), memory.each, -1)  # [B, k, D]
        if self.additive:
            scores = self.energy(torch.tanh(self.query(rows)[:, :, None] + keys[:, None]))[..., 0]  # [B, k, S]
        else:
            scores = rows.to(keys.dtype) @ keys.mT
        weights = scores.float().masked_fill(~memory.real[:, None], -torch.inf).softmax(-1)
        seen = weights.to(states.dtype) @ states
        return seen.reshape(state.shape).to(state.dtype), weights.reshape(len(state), -1)

    def _masks(self, state: DecoderState) -> list[Tensor] | None:
        """Dropout masks for the output of each layer, the same for all steps (Gal and Ghahramani 2016)."""
        if not (self.training and self.share):
            return None
        return [dropout(torch.ones_like(cell[0]), self.share) for cell in state.cells]


class Body(nn.Module):
    """Encoder and decoder. joint: they share their embedding."""

    def __init__(self, config: Config, *, source_size: int, vocab_size: int, joint: bool):
        super().__init__()
        self.encoder = Encoder(config, source_size=source_size)
        self.decoder = Decoder(config, vocab_size=vocab_size, embedding=self.encoder.forth.embedding if joint else None)


class RecurrentTranslator(NeuralTranslator):
    body: Body

    def __init__(self, config: Config, *, source_size: int, vocab_size: int, joint: bool):
        super().__init__()
        self.window = config.window
        self.body = Body(config, source_size=source_size, vocab_size=vocab_size, joint=joint)
        self.head = Linear(config.embedding, vocab_size)
        for embedding in (self.body.encoder.forth.embedding, self.body.decoder.embedding):
            nn.init.normal_(embedding.weight, std=1 / math.sqrt(config.embedding))
        nn.init.zeros_(self.head.bias)
        if config.tied:
            self.head.weight = self.body.decoder.embedding.weight
        initialise_recurrent([*self.body.encoder.forth.layers, *self.body.encoder.back.layers])

    def states(self, source: Tensor, real: Tensor) -> Tensor:
        return self.body.encoder(source, real)

    def remember(self, source: Tensor, real: Tensor) -> Memory:
        return self.body.decoder.remember(self.states(source, real), real)

    def beginning(self, memory: Memory) -> DecoderState:
        return self.body.decoder.beginning(memory)

    def features(
        self, tokens: Tensor, memory: Memory, state: DecoderState | None = None
    ) -> tuple[Tensor, DecoderState]:
        return self.body.decoder(tokens, memory, state or self.beginning(memory))


def build(config: Config, *, source_size: int, vocab_size: int, joint: bool) -> RecurrentTranslator:
    return RecurrentTranslator(config, source_size=source_size, vocab_size=vocab_size, joint=joint)


def load(
    settings: Mapping, named: Mapping[str, np.ndarray], *, source_size: int, vocab_size: int, joint: bool
) -> NeuralTranslator:
    config = Config(**settings)
    return restored(lambda: build(config, source_size=source_size, vocab_size=vocab_size, joint=joint), named)
