"""Evaluates a translator on held-out pairs: the perplexity of the references, and BLEU and chrF of translations by beam search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcli.data.pairs import Pairs
from seqcli.decoding.translate import TranslationSettings, translate
from seqcli.interfaces import OpenTranslator, Tokenizer
from seqcli.metrics import translator as metrics
from seqcli.scoring.conditioned import Conditioned
from seqcli.tasks.translation.data import Encoded

if TYPE_CHECKING:
    from seqcli.nn.translator import NeuralTranslator

_PART = 16  # pairs


@dataclass(frozen=True)
class Answer:
    """For some pairs: log p and number of the tokens of the references, and the translations."""

    log_prob: float
    tokens: int
    translations: list[str]


class HeldOut:
    """A `training.recorder.HeldOut`: some pairs at a time, in a seeded order.

    pairs: held-out ones; encoded: the same as tokens of the two tokenizers `sides`; products: the dtype of matrix products.
    """

    def __init__(
        self,
        pairs: Pairs,
        encoded: Encoded,
        sides: tuple[Tokenizer, Tokenizer],
        *,
        metric: str,
        products: Any,
        seed: int,
    ):
        self._encoded, self._sides, self._metric, self._products = encoded, sides, metric, products
        self._sources, self._references = (text.data.decode().split("\n")[:-1] for text in (pairs.source, pairs.target))
        order = np.random.default_rng([seed, 1]).permutation(len(self._sources))
        self._parts = [order[begin : begin + _PART] for begin in range(0, len(order), _PART)]

    def __len__(self) -> int:
        return len(self._parts)

    def answer(self, model: NeuralTranslator, part: int) -> Answer:
        rows = self._parts[part]
        model.products = self._products
        encoded = self._encoded.at(rows)
        log_prob = Conditioned(model, encoded.source).score(encoded.target).log_prob
        translated = translate(
            OpenTranslator("", "", *self._sides, model), [self._sources[row] for row in rows], TranslationSettings()
        )
        return Answer(float(log_prob.sum(dtype=np.float64)), len(log_prob), [each.best.text for each in translated])

    def figures(self, answers: Sequence[Answer]) -> tuple[float, dict[str, Any]]:
        """The metric, and all figures: loss in nats per token of the references; the scores of `metrics/translator` with their signatures;
        `held_out_pairs`: number of pairs, including those not evaluated."""
        rows = np.concatenate(self._parts[: len(answers)])
        loss = -sum(answer.log_prob for answer in answers) / sum(answer.tokens for answer in answers)
        translations = [text for answer in answers for text in answer.translations]
        scores = metrics.scores(translations, [[self._references[row] for row in rows]])
        figures: dict[str, Any] = {
            "pairs": len(rows),
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            **{name: score.value for name, score in scores.items()},
            **{f"{name}_signature": score.signature for name, score in scores.items()},
            "held_out_pairs": len(self._sources),
        }
        return metrics.directions()[self._metric] * figures[self._metric], figures
