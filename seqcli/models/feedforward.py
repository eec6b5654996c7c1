"""Feed-forward language model over a fixed window of tokens (Bengio et al. 2003, "A neural probabilistic language model").

The concatenated embeddings of the last W tokens pass through a tanh layer and, with `direct`, also directly to the output
(equation 1 of the paper). Tokens before the window have no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.nn.device import to_device
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.nn.layers import Dropout
from seqcli.nn.linear import Linear
from seqcli.nn.weights import initialise, restored
from seqcli.ranges import check, fraction, setting, within
from seqcli.text import BOS_ID

TASK = "language"


@dataclass(frozen=True)
class Config:
    """Settings of a feed-forward language model."""

    embedding: int = within(1, 1 << 16, default=100, help="width of the token embeddings")
    context: int = within(1, 1 << 10, default=4, help="number of preceding tokens that the model reads")
    width: int = within(1, 1 << 16, default=256, help="width of the hidden layer")
    direct: bool = setting(True, help="add a linear path from the embeddings to the output")
    dropout: float = fraction(0.0, help="dropout probability")
    tied: bool = setting(True, help="share the output matrix with the embedding")

    def __post_init__(self):
        check(self)


class Window:
    """The last W - 1 tokens of each row: int64 [B, W - 1]."""

    def __init__(self, tokens: Tensor):
        self.tokens = tokens

    def reorder(self, rows: np.ndarray) -> Window:
        return Window(self.tokens[to_device(np.asarray(rows, np.int64), self.tokens.device)])

    def joined(self, states: list[Window]) -> Window:
        return Window(torch.cat([state.tokens for state in states]))

    def arrays(self) -> dict[str, Tensor]:
        return {"tokens": self.tokens}

    @classmethod
    def of(cls, arrays: dict[str, Tensor]) -> Window:
        return cls(arrays["tokens"])

    def detached(self) -> Window:
        return self


class FeedForwardBody(nn.Module):
    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        self.context = config.context
        self.embedding = nn.Embedding(vocab_size, config.embedding)
        self.hidden = Linear(config.embedding * config.context, config.width)
        self.out = Linear(config.width, config.embedding)
        self.direct = Linear(config.embedding * config.context, config.embedding, bias=False) if config.direct else None
        self.dropout = Dropout(config.dropout)

    def forward(self, tokens: Tensor, state: Window | None) -> tuple[Tensor, Window]:
        """tokens [B, T] -> [B, T, E]: each position sees itself and the W - 1 tokens before it; a row is preceded by `<s>`."""
        if state is None:
            state = Window(tokens.new_full((len(tokens), self.context - 1), BOS_ID))
        known = torch.cat([state.tokens, tokens], dim=1)  # [B, W - 1 + T]
        x = self.dropout(self.embedding(known))
        windows = x.unfold(1, self.context, 1).transpose(2, 3).flatten(2)  # [B, T, W E]
        features = self.out(self.dropout(torch.tanh(self.hidden(windows))))
        if self.direct is not None:
            features = features + self.direct(windows)
        return features, Window(known[:, known.shape[1] - self.context + 1 :])


class FeedForwardModel(NeuralLanguageModel):
    carried = Window
    linear = True
    body: FeedForwardBody

    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        self.body = FeedForwardBody(config, vocab_size=vocab_size)
        self.head = Linear(config.embedding, vocab_size)
        initialise(self, deviation=0.05)
        if config.tied:
            self.head.weight = self.body.embedding.weight

    def features(self, tokens: Tensor, state: Window | None = None) -> tuple[Tensor, Window]:
        return self.body(tokens, state)


def build(config: Config, *, vocab_size: int) -> FeedForwardModel:
    return FeedForwardModel(config, vocab_size=vocab_size)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int) -> NeuralLanguageModel:
    config = Config(**settings)
    return restored(lambda: build(config, vocab_size=vocab_size), named)
