"""A translator given its sources is a language model of their translations.

It can be used wherever a language model can. A source longer than the translator can read is truncated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.interfaces import OpenScorer, OpenTranslator, Scores, Translator
from seqcli.text import EOS_ID
from seqcli.token_batch import TokenBatch, of_like_length


@dataclass(frozen=True)
class OpenConditioned(OpenScorer):
    """A translator given sources."""

    model: Conditioned


def given_sources(opened: OpenTranslator, lines: bytes) -> OpenConditioned:
    """A scorer of translations: row b is a translation of line b."""
    model = Conditioned(opened.model, opened.source.encode(lines))
    return OpenConditioned(opened.name, opened.arch, "line", opened.target, model, hub=opened.hub)


class Conditioned:
    """sources: one row for every row that will be scored."""

    def __init__(self, model: Translator, sources: TokenBatch):
        self._model, self.precision = model, model.precision
        self._sources = [
            np.append(row[: model.window - 1], EOS_ID) if len(row) > model.window else row for row in sources.rows
        ]
        self.cut = int((sources.lengths > model.window).sum())  # sources of which the end is not read

    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """See `interfaces.Scorer.score`; there is no context."""
        assert context is None and len(batch.lengths) == len(self._sources)
        budget = self._model.batch_tokens
        log_prob = np.empty(len(batch.tokens), np.float32)
        ranks = np.empty(len(batch.tokens), np.int64) if rank else None
        lengths = np.maximum(batch.lengths, [len(source) for source in self._sources])
        for rows in of_like_length(lengths, budget=budget, most=budget):
            conditioned = self._model.conditioned_on(
                self._model.encode(TokenBatch.of([self._sources[row] for row in rows]))
            )
            scores = conditioned.score(batch.at(rows), rank=rank)
            theirs = np.concatenate([np.arange(batch.lengths[row]) + batch.starts[row] for row in rows])
            log_prob[theirs] = scores.log_prob
            if ranks is not None and scores.rank is not None:
                ranks[theirs] = scores.rank
        return Scores(log_prob, rank=ranks)
