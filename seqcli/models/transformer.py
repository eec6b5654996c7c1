"""Transformer language models, by their objective.

causal: decoder-only, every token attends to itself and those before it (Vaswani et al. 2017, Radford et al. 2019). Sees a fixed
window of tokens; text beyond it is scored in overlapping windows, and generation drops the oldest tokens by halves of the window.

masked, hybrid: see `nn/masked.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqcli.data.masking import CAUSAL, OBJECTIVES
from seqcli.nn.kv_cache import KVCache
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.nn.linear import Linear
from seqcli.nn.masked import MaskedLanguageModel
from seqcli.nn.transformer import TransformerConfig, TransformerStack, activated, norm
from seqcli.nn.weights import initialise, restored
from seqcli.ranges import each, fraction, one_of, setting
from seqcli.text import BOS_ID

TASK = "language"


@dataclass(frozen=True)
class Config(TransformerConfig):
    """Settings of the stack, the head and the objective."""

    tied: bool = setting(True, help="share the output matrix with the embedding")
    objective: str = one_of(OBJECTIVES, default=CAUSAL, help="predict the next token, hidden tokens, or both")
    hidden_share: float = fraction(0.15, help="share of the tokens that are hidden (masked, hybrid)")
    whole_words: bool = setting(False, help="hide all tokens of a word together (masked, hybrid)")
    causal_share: float = fraction(0.5, help="share of the batches that predict the next token (hybrid)")
    head_transform: bool = setting(False, help="a linear layer, the activation and a norm before the output matrix")
    head_bias: bool = setting(False, help="a bias for each token of the output")
    predicts_end: bool = setting(True, help="also predict the </s> of a text (masked)")
    impossible: tuple[int, ...] = each(0, 1 << 31, default=(BOS_ID,), help="tokens that are never predicted")

    def __post_init__(self):
        object.__setattr__(self, "impossible", tuple(self.impossible))  # a list, where it comes from a file
        super().__post_init__()


class HeadTransform(nn.Module):
    """The transformation before BERT's output matrix: a linear layer, the activation, a norm (Devlin et al. 2019)."""

    def __init__(self, config: Config, *, width: int):
        super().__init__()
        self.activation = config.activation
        self.linear, self.norm = Linear(config.width, width), norm(config, width=width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., width]"""
        return self.norm(activated(self.linear(x), self.activation))


class Transformer(NeuralLanguageModel):
    linear = True
    window: int
    body: TransformerStack

    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__()
        if max(config.impossible, default=0) >= vocab_size:
            raise ValueError(f"impossible token {max(config.impossible)} of {vocab_size}")
        self.window, self.impossible = config.window, config.impossible
        self.batch_tokens = min(self.batch_tokens, config.inference_tokens)
        self.body = TransformerStack(config, vocab_size=vocab_size)
        width = ((config.tied or config.head_transform) and config.embedding_width) or config.width
        self.transform = HeadTransform(config, width=width) if config.head_transform else None
        self.head = Linear(width, vocab_size, bias=config.head_bias)
        initialise(self, depth=config.layers)
        if config.tied:
            self.head.weight = self.body.embedding.weight

    def features(self, tokens: Tensor, state: KVCache | None = None) -> tuple[Tensor, Any]:
        features, state = self.body(tokens, state)  # without a cache as input there is none in the output
        return self.before_head(features), state

    def before_head(self, features: Tensor) -> Tensor:
        """[B, T, D] of the body -> what the head multiplies."""
        return features if self.transform is None else self.transform(features)

    def beginning(self, rows: int) -> KVCache:
        return self.body.beginning(rows, products=self.products)

    def read(self, tokens: Tensor, state: KVCache) -> tuple[Tensor, KVCache]:
        """Reads in steps of at most half a window; when the window is full, its later half is read again as the beginning of a
        new one."""
        half = max(1, self.window // 2)
        for part in tokens.split(half, dim=1):
            if state.longest + part.shape[1] > self.window:
                kept = min(int(state.lengths.min()), half)
                _, state = self.features(state.last(kept), self.beginning(len(tokens)))
            features, state = self.features(part, state)
        return features, state


class MaskedTransformer(MaskedLanguageModel, Transformer):
    """A model that fills in masked tokens. hybrid: it also predicts the next token."""

    def __init__(self, config: Config, *, vocab_size: int):
        super().__init__(config, vocab_size=vocab_size)
        self.hybrid, self.predicts_end = config.objective == "hybrid", config.predicts_end
        self.mask = nn.Parameter(
            torch.randn(config.embedding_width or config.width) * self.body.embedding.weight.detach().std()
        )

    def states(self, tokens: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The final states of all tokens, which have seen the whole text, including those of `<s>` and `</s>`."""
        return super().states(tokens, real) if self.hybrid else (self.body(tokens, real=real)[0], real)

    def seen(self, tokens: Tensor, *, masked: Tensor, real: Tensor) -> Tensor:
        return self.before_head(self.body(tokens, real=real, masked=(masked, self.mask))[0])


def build(config: Config, *, vocab_size: int) -> Transformer:
    kind = Transformer if config.objective == CAUSAL else MaskedTransformer
    return kind(config, vocab_size=vocab_size)


def load(settings: Mapping, named: Mapping[str, np.ndarray], *, vocab_size: int) -> NeuralLanguageModel:
    config = Config(**settings)
    return restored(lambda: build(config, vocab_size=vocab_size), named)
