"""How good a translator is on held-out pairs: the perplexity of the references, and BLEU and chrF of what it says by beam search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqcli.data.pairs import Pairs
from seqcli.decoding import beam
from seqcli.decoding.policy import log_softmax
from seqcli.interfaces import TokenBatch, Tokenizer, Translator
from seqcli.metrics import translation
from seqcli.tasks.translation.corpus import Encoded
from seqcli.text import BOS_ID, EOS_ID, UNK_ID

BEAM, PENALTY = 5, 1.0
_SENTENCES = 64  # translated together
METRICS = {"loss": 1, "bleu": -1, "chrf": -1}  # and whether lower is better


class Judge:
    """pairs: held-out ones, with their tokens."""

    def __init__(self, pairs: Pairs, encoded: Encoded, target: Tokenizer):
        self._encoded, self._target = encoded, target
        self._references = pairs.target.data.decode().split("\n")[:-1]
        order = np.argsort(encoded.source.lengths, kind="stable")
        self._groups = [order[begin : begin + _SENTENCES] for begin in range(0, len(order), _SENTENCES)]

    def figures(self, model: Translator) -> dict[str, Any]:
        """loss: nats a token of the reference."""
        nats, tokens, said = 0.0, 0, [""] * len(self._references)
        for rows in self._groups:
            source, target = (_rows(side, rows) for side in (self._encoded.source, self._encoded.target))
            given = model.given(model.encode(source))
            nats -= float(given.score(target).log_prob.sum(dtype=np.float64))
            tokens += len(target.tokens)
            for row, text in zip(rows, self._said(given, source.lengths)):
                said[row] = text
        report = translation.report(said, self._references)
        return {
            "pairs": len(said), "loss": nats / tokens, "perplexity": math.exp(min(nats / tokens, 700)), "bleu": report.bleu,
            "chrf": report.chrf, "bleu_signature": report.bleu_signature, "chrf_signature": report.chrf_signature,
        }  # fmt: skip

    def _said(self, given: Any, lengths: np.ndarray) -> list[str]:
        logits, state = given.extend(np.zeros((len(lengths), 0), np.int32), np.zeros(len(lengths), np.int64))
        log_prob = log_softmax(logits)
        log_prob[:, [UNK_ID, BOS_ID]] = -np.inf
        found = beam.search(
            given, log_prob, state, beam_size=BEAM, max_new_tokens=2 * lengths + 10, length_penalty=PENALTY, end=EOS_ID,
            never=[UNK_ID, BOS_ID],
        )  # fmt: skip
        return [self._target.decode(hypotheses[0].ids).replace("\n", " ").strip() for hypotheses in found]


def _rows(batch: TokenBatch, rows: np.ndarray) -> TokenBatch:
    starts = batch.starts
    parts = [batch.tokens[starts[row] : starts[row] + batch.lengths[row]] for row in rows]
    return TokenBatch(np.concatenate(parts), batch.lengths[rows])
