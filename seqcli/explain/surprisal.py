"""The surprisal of each token under a language model, and the tokens that it expected.

The log-probabilities are those of `score --level token`; the expected tokens are the most likely ones of the same distribution.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqcli.data.lines import block_of
from seqcli.decoding.policy import log_softmax, top
from seqcli.explain.reading import check_window, pieces_of
from seqcli.interfaces import LanguageModel, MaskFiller, OpenModel, is_pseudo, predicts_end
from seqcli.results.inside import Surprisal, TokenSurprisal
from seqcli.results.language import NextToken
from seqcli.scoring.tokens import score_tokens


def surprisal(opened: OpenModel, text: str, *, k: int = 5) -> Surprisal:
    """k: number of expected tokens to return for each token."""
    names = opened.tokenizer.vocabulary()
    scores = list(score_tokens(opened, block_of([text])))
    ids = [piece.id for piece in pieces_of(opened, text)]
    rows = []
    for score, log_p in zip(scores, _distributions(opened.model, ids), strict=True):
        best = top(log_p[None], k)[0]
        expected = [NextToken(names[id], float(np.exp(log_p[id]))) for id in best.tolist()]
        rows.append(TokenSurprisal(score.token, score.log_prob, expected))
    return Surprisal(rows)


def check_length(opened: OpenModel, text: str) -> None:
    """Raises UsageError for a text longer than the window of a masked model; causal models have no limit."""
    if is_pseudo(opened.model):
        ends = 1 + (not predicts_end(opened.model))
        check_window(ends + len(pieces_of(opened, text)), getattr(opened.model, "window", None), name=opened.name)


def _distributions(model: LanguageModel, ids: list[int]) -> Iterator[np.ndarray]:
    """Natural log p of every token, [V], at each position of a text."""
    if isinstance(model, MaskFiller) and is_pseudo(model):
        for place in range(len(ids)):
            row = np.array(ids)
            row[place] = model.vocab_size
            yield model.fill([row])[0][0]
        return
    logits, state = model.extend(np.zeros((1, 0), np.int32), np.zeros(1, np.int64))
    for place, id in enumerate(ids):
        yield log_softmax(logits)[0]
        if place < len(ids) - 1:
            logits, state = model.extend(np.array([[id]], np.int32), np.ones(1, np.int64), state)
