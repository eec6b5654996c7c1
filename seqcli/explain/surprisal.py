"""The surprisal of each token under a language model, and the tokens that it expected.

The log-probabilities are those of `score --level token`; the expected tokens are the most likely ones of the same distribution.
"""

from __future__ import annotations

import numpy as np

from seqcli.data.lines import block_of
from seqcli.decoding.logits import top
from seqcli.explain.model_inputs import pieces_of
from seqcli.interfaces import Distributions, OpenModel
from seqcli.results.language import NextToken
from seqcli.results.views import Surprisal, TokenSurprisal
from seqcli.scoring.tokens import score_tokens


def surprisal(opened: OpenModel, text: str, *, k: int = 5) -> Surprisal:
    """k: number of expected tokens to return for each token."""
    assert isinstance(opened.model, Distributions)
    names = opened.tokenizer.vocabulary()
    scores = score_tokens(opened, block_of([text]))
    ids = np.array([piece.id for piece in pieces_of(opened, text)], np.int64)
    rows = []
    for log_p in opened.model.distributions(ids) if len(ids) else []:
        best = top(log_p, k)
        p = np.exp(np.take_along_axis(log_p, best, axis=1))
        for tokens, shares, score in zip(best.tolist(), p.tolist(), scores):
            expected = [NextToken(names[id], share) for id, share in zip(tokens, shares)]
            rows.append(TokenSurprisal(score.token, score.log_prob, expected))
    return Surprisal(rows)
