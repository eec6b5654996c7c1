"""A linear mixture of language models that share a tokenizer: p(token | before) = sum of w_m p_m(token | before).

The mixture is itself a language model (Jelinek and Mercer 1980), so it can be used wherever one can. Weights are given, or
fitted to a text by expectation maximisation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.decoding.logits import log_probs
from seqcli.errors import InputError, ModelError
from seqcli.interfaces import LanguageModel, OpenModel, Reporter, Scores, State, is_pseudo
from seqcli.metrics.perplexity import perplexity
from seqcli.tasks.language.data import Corpus
from seqcli.token_batch import TokenBatch

NAME = "mix"
_AT_ONCE = 1 << 22  # maximum number of logits held at a time
_STEADY, _MOST = 1e-7, 10_000  # a fit ends when no weight changes by more, or after this many iterations


@dataclass(frozen=True)
class MixtureState:
    """The states of all models for B rows."""

    states: tuple[State, ...]

    def reorder(self, rows: np.ndarray) -> MixtureState:
        return MixtureState(tuple(state.reorder(rows) for state in self.states))


class Mixture:
    """A `LanguageModel` over M others. weights: non-negative, with sum 1."""

    logits_are_log_probs = True

    def __init__(self, models: Sequence[LanguageModel], weights: Sequence[float]):
        assert len(models) == len(weights)
        self._models = models
        with np.errstate(divide="ignore"):  # a weight of 0
            self._log_weights = np.log(np.array(weights, np.float64))
        self.vocab_size = models[0].vocab_size
        horizons = [model.horizon for model in models]
        known = [horizon for horizon in horizons if horizon is not None]
        self.horizon = max(known) if len(known) == len(horizons) else None
        self.precision = "+".join(dict.fromkeys(model.precision for model in models))

    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        log_prob = self._mixed([model.score(batch, context=context).log_prob for model in self._models])
        return Scores(log_prob.astype(np.float32), rank=self._ranks(batch, context) if rank else None)

    def extend(
        self, tokens: np.ndarray, lengths: np.ndarray, state: MixtureState | None = None
    ) -> tuple[np.ndarray, MixtureState]:
        befores = [None] * len(self._models) if state is None else state.states
        answers = [model.extend(tokens, lengths, before) for model, before in zip(self._models, befores)]
        log_prob = self._mixed([log_probs(model, logits) for model, (logits, _) in zip(self._models, answers)])
        return log_prob.astype(np.float32), MixtureState(tuple(after for _, after in answers))

    def _mixed(self, log_probs: Sequence[np.ndarray]) -> np.ndarray:
        """log of the weighted sum of p, float64: of log p by model, all of one shape."""
        total = np.full(log_probs[0].shape, -np.inf)
        for log_weight, log_prob in zip(self._log_weights, log_probs):
            np.logaddexp(total, log_weight + log_prob, out=total)
        return total

    def _ranks(self, batch: TokenBatch, context: np.ndarray | None) -> np.ndarray:
        """The rank of every token in the mixed distribution, which needs all models at each step."""
        ranks, given = np.empty(len(batch.tokens), np.int64), np.zeros(0, np.int32) if context is None else context
        together = max(1, _AT_ONCE // self.vocab_size)
        for first in range(0, len(batch.lengths), together):
            lengths, starts = (part[first : first + together] for part in (batch.lengths, batch.starts))
            rows = len(lengths)
            logits, state = self.extend(np.tile(given, (rows, 1)).astype(np.int32), np.full(rows, len(given)))
            alive = np.arange(rows)
            for place in range(int(lengths.max())):
                on = np.flatnonzero(lengths[alive] > place)
                alive, logits, state = alive[on], logits[on], state.reorder(on)
                tokens = batch.tokens[starts[alive] + place][:, None]
                ranks[starts[alive] + place] = 1 + (logits > np.take_along_axis(logits, tokens, axis=1)).sum(axis=1)
                logits, state = self.extend(tokens, np.ones(len(alive), np.int64), state)
        return ranks


def mixed(models: Sequence[OpenModel], weights: Sequence[float]) -> OpenModel:
    """The mixture of several models. Raises ModelError if two models differ in tokenizer or unit, or for a masked
    model."""
    first = models[0]
    for opened in models:
        if is_pseudo(opened.model):
            raise ModelError(
                "a masked model cannot be mixed, since its scores are not probabilities of a text", where=opened.name
            )
    for other in models[1:]:
        if (other.tokenizer.fingerprint, other.unit) != (first.tokenizer.fingerprint, first.unit):
            what = "units" if other.unit != first.unit else "tokenizers"
            cure = "train them together with `seqcli train lm --arch A --arch B`"
            raise ModelError(
                f"models with different {what} cannot be mixed", where=f"{first.name} and {other.name}", cure=cure
            )
    arch = "+".join(f"{weight:.4g}*{opened.arch}" for weight, opened in zip(weights, models))
    mixture = Mixture([opened.model for opened in models], weights)
    hub = "+".join(filter(None, (opened.hub for opened in models)))
    return OpenModel(NAME, arch, first.unit, first.tokenizer, mixture, ends_documents=first.ends_documents, hub=hub)


def fitted_weights(models: Sequence[OpenModel], path: str, *, reporter: Reporter) -> list[float]:
    """The weights of the mixture that maximise the probability of the text of a file."""
    mixed(models, [1 / len(models)] * len(models))  # check that they can be mixed
    corpus = Corpus((path,), unit=models[0].unit)
    batches = (models[0].tokenizer.encode(text, unit=corpus.unit) for text in _texts(corpus, reporter))
    parts = [[opened.model.score(batch).log_prob for opened in models] for batch in batches]
    log_prob = np.concatenate(parts, axis=1).astype(np.float64) if parts else np.zeros((len(models), 0))
    if not log_prob.size:
        raise InputError("no text to fit weights to", where=path)
    weights, total = likeliest_weights(log_prob)
    shares = " + ".join(f"{weight:.4f} {opened.name}" for weight, opened in zip(weights, models))
    reporter.note(f"mix: {shares}, fitted to {path} (perplexity {perplexity(total, log_prob.shape[1]):.4g})")
    return weights


def likeliest_weights(log_prob: np.ndarray) -> tuple[list[float], float]:
    """The weights by expectation maximisation from equal ones, and log p under them. log_prob: float64 [M, P].

    Tokens with probability 0 under all models do not affect the weights.
    """
    possible = log_prob[:, log_prob.max(axis=0) > -np.inf]
    most = possible.max(axis=0, initial=-np.inf)
    p = np.exp(possible - most)
    weights = np.full(len(p), 1 / len(p))
    if not p.size:
        return weights.tolist(), -np.inf
    for _ in range(_MOST):
        before = weights
        shares = weights[:, None] * p
        weights = (shares / shares.sum(axis=0)).mean(axis=1)
        if np.abs(weights - before).max() < _STEADY:
            break
    total = float((np.log(weights @ p) + most).sum())
    return weights.tolist(), total if possible.shape == log_prob.shape else -np.inf


def _texts(corpus: Corpus, reporter: Reporter) -> Iterator[bytes]:
    """The text: lines block by block, a document as a whole."""
    lines = corpus.all_lines(reporter)
    yield from lines if corpus.unit == "line" else [b"".join(lines)]
