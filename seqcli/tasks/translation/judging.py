"""How good a translator is on held-out pairs: the perplexity of the references, and BLEU and chrF of what it says by beam search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqcli.data.pairs import Pairs
from seqcli.decoding.translate import Settings, translate
from seqcli.interfaces import OpenTranslator, Tokenizer, Translator
from seqcli.metrics import translation
from seqcli.scoring.conditioned import Conditioned
from seqcli.tasks.translation.corpus import Encoded

METRICS = {"loss": 1, "bleu": -1, "chrf": -1}  # and whether lower is better


class Judge:
    """pairs: held-out ones; encoded: the same as tokens of the two tokenizers `sides`."""

    def __init__(self, pairs: Pairs, encoded: Encoded, sides: tuple[Tokenizer, Tokenizer]):
        self._encoded, self._sides = encoded, sides
        self._sources, self._references = (text.data.decode().split("\n")[:-1] for text in (pairs.source, pairs.target))

    def figures(self, model: Translator) -> dict[str, Any]:
        """loss: nats a token of the references; bleu, chrf: 0 to 100, with their signatures."""
        log_prob = Conditioned(model, self._encoded.source).score(self._encoded.target).log_prob
        loss = -float(log_prob.sum(dtype=np.float64)) / len(log_prob)
        translated = translate(OpenTranslator("", "", *self._sides, model), self._sources, Settings())
        report = translation.report([each.best.text for each in translated], self._references)
        return {
            "pairs": len(self._sources), "loss": loss, "perplexity": math.exp(min(loss, 700)), "bleu": report.bleu,
            "chrf": report.chrf, "bleu_signature": report.bleu_signature, "chrf_signature": report.chrf_signature,
        }  # fmt: skip
