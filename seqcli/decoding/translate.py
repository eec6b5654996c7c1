"""Translation of lines, in order: by beam search or sampling, lines of similar length together, long ones in windows.

A blank line stays blank and is not given to the model. The model's `suppress_tokens` are never generated: `<unk>`, or, for a
Marian model, the padding token with which translations begin, but not `<unk>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from seqcli.data.lines import block_of
from seqcli.decoding import beam
from seqcli.decoding.generate import END, LENGTH
from seqcli.decoding.logits import log_probs
from seqcli.decoding.sampling import Policy, numbers, sample
from seqcli.decoding.source_windows import Part, parts_of
from seqcli.errors import UsageError
from seqcli.interfaces import OpenTranslator
from seqcli.long_text import best_combinations
from seqcli.ranges import (
    BEAM,
    LENGTH_PENALTY,
    LENGTH_RATIO,
    NO_REPEAT_NGRAM,
    SEED,
    check,
    checked,
    exclusive,
    given,
    ranged,
)
from seqcli.results.translation import Hypothesis, Translation
from seqcli.text import EOS_ID, UNK_ID
from seqcli.token_batch import TokenBatch, of_like_length

_READ = 1024  # number of lines that are sorted by length
_AT_ONCE = 1 << 22  # maximum number of logits held at a time

_MORE = 10  # tokens that a translation may have in addition to `max_length_ratio`


@dataclass(frozen=True)
class TranslationSettings:
    """num_samples: number of translations to sample by `policy` and `seed`, instead of searching for the `n_best`
    most likely. max_length_ratio: tokens of a translation per token of its source; prefix: beginning of every
    translation, in whole words; see `beam.search` for the others."""

    beam_size: int = ranged(BEAM, 5)
    n_best: int = ranged(BEAM, 1)
    length_penalty: float = ranged(LENGTH_PENALTY, 1.0)
    max_length_ratio: float = ranged(LENGTH_RATIO, 2.0)
    no_repeat_ngram: int = ranged(NO_REPEAT_NGRAM, 0)
    prefix: str = ""
    num_samples: int | None = ranged(BEAM, None)
    policy: Policy = field(default_factory=Policy)
    seed: int = ranged(SEED, 0)

    def __post_init__(self):
        check(self)
        object.__setattr__(self, "prefix", self.prefix.strip())  # whole words, so surrounding white space is ignored
        if self.n_best > self.beam_size:
            cure = f"use beam size {self.n_best}"
            raise UsageError(f"beam size {self.beam_size} is too small for {self.n_best} translations", cure=cure)

    @property
    def how(self) -> dict[str, object]:
        """The part of the signature for these settings: the method, and the values that are not the default."""
        how: dict[str, object]
        unusual: dict[str, tuple[object, object]]  # values and defaults
        if self.num_samples is None:
            how = {"beam": self.beam_size, "penalty": f"{self.length_penalty:g}"}
            unusual = {"norepeat": (self.no_repeat_ngram, 0)}
        else:
            how = {"temperature": f"{self.policy.temperature:g}", "seed": self.seed}
            unusual = {"topk": (self.policy.top_k, None), "topp": (self.policy.top_p, 1.0)}
        unusual |= {"ratio": (self.max_length_ratio, 2.0), "prefix": ("y" if self.prefix else "n", "n")}
        return how | {
            name: f"{value:g}" if isinstance(value, float) else value
            for name, (value, usual) in unusual.items()
            if value != usual
        }


def settings(*, searching: Mapping[str, Any], drawing: Mapping[str, Any], **others: Any) -> TranslationSettings:
    """The settings from options by name, None where one was not given. Any of `drawing` (num_samples and those of a
    policy) selects sampling, which cannot be combined with `searching` (beam_size, n_best, length_penalty); the beam
    is 5, or n_best if that is more."""
    exclusive(drawing, searching)
    searched, drawn = given(searching), given(drawing)
    if drawn:
        return TranslationSettings(num_samples=drawn.pop("num_samples", 1), policy=Policy(**drawn), **others)
    n_best = checked("n_best", searched.get("n_best", 1), BEAM)
    return TranslationSettings(**{"beam_size": max(5, n_best), **searched}, **others)


@dataclass(frozen=True)
class LineHypothesis:
    """parts: token ids of the translation of each window, including `</s>` if it has ended; log_prob: natural, of all of
    them; score: by which hypotheses are ranked, summed over windows; ended: False if a part was cut at its maximum length, so
    that log_prob does not include `</s>`."""

    text: str
    parts: list[list[int]]
    log_prob: float
    score: float
    ended: bool = True

    @property
    def finish_reason(self) -> str:
        return END if self.ended else LENGTH

    @property
    def result(self) -> Hypothesis:
        return Hypothesis(self.text, self.log_prob, self.finish_reason)


@dataclass(frozen=True)
class TranslatedLine:
    """source: as given; parts: tokens of its windows, including `</s>` (int32 [S]), none if it is blank; hypotheses:
    different texts, best first, or in the order of sampling; at least one."""

    line: int
    source: str
    parts: list[np.ndarray]
    hypotheses: list[LineHypothesis]

    @property
    def best(self) -> LineHypothesis:
        return self.hypotheses[0]

    @property
    def result(self) -> Translation:
        n_best = [hypothesis.result for hypothesis in self.hypotheses]
        return Translation(self.source, **vars(n_best[0]), n_best=n_best)


def translate(
    opened: OpenTranslator, lines: Iterable[str], settings: TranslationSettings, *, first: int = 1
) -> Iterator[TranslatedLine]:
    """A translation of each line, in order; the first is line `first`. The result for a line does not depend on the
    other lines."""
    numbered, forced = enumerate(lines, first), forced_by(opened, settings.prefix)
    while chunk := list(islice(numbered, _READ)):
        parts = parts_of(opened, chunk)
        found = _found(opened, [part for each in parts for part in each], settings, forced)
        for (line, text), each in zip(chunk, parts):
            yield _joined(opened, line, text, [(part.tokens, found[line, part.number]) for part in each], settings)


def forced_by(opened: OpenTranslator, prefix: str) -> np.ndarray:
    """The tokens of a prefix. Raises UsageError for a word unknown to the translator."""
    tokens = opened.target.encode(block_of([prefix]).data).tokens[:-1]
    if UNK_ID in tokens.tolist():
        raise UsageError(
            f"{prefix!r} contains a word unknown to {opened.name}", where="--prefix", cure="use other words"
        )
    return tokens


def _found(
    opened: OpenTranslator, parts: list[Part], settings: TranslationSettings, forced: np.ndarray
) -> dict[tuple[int, int], list[beam.Hypothesis]]:
    """The hypotheses of each part, by line and number."""
    at_once = max(1, _AT_ONCE // (opened.model.vocab_size * (settings.num_samples or settings.beam_size)))
    found = {}
    # A line's translation begins with the prefix, not each window's
    beginnings = [part for part in parts if part.number == 0]
    for prefix, group in ((forced, beginnings), (forced[:0], [part for part in parts if part.number])):
        for rows in together(opened, [len(part.tokens) for part in group], at_once=at_once):
            batch = [group[row] for row in rows]
            for part, hypotheses in zip(batch, _decoded(opened, batch, settings, prefix=prefix)):
                found[part.line, part.number] = hypotheses
    return found


def together(opened: OpenTranslator, lengths: Sequence[int], *, at_once: int) -> Iterator[np.ndarray]:
    """Indices of sources of similar length that are read in one pass, at most `at_once`."""
    budget = opened.model.batch_tokens
    for rows in of_like_length(np.array(lengths, np.int64), budget=budget, most=budget):
        yield from (rows[begin : begin + at_once] for begin in range(0, len(rows), at_once))


def _decoded(
    opened: OpenTranslator, parts: list[Part], settings: TranslationSettings, *, prefix: np.ndarray
) -> list[list[beam.Hypothesis]]:
    sources = TokenBatch.of([part.tokens for part in parts])
    conditioned = opened.model.conditioned_on(opened.model.encode(sources))
    rows = len(parts)
    begun = np.tile(prefix.astype(np.int32), (rows, 1))  # [B, P]
    logits, state = conditioned.extend(begun, np.full(rows, len(prefix), np.int64))
    log_prob = log_probs(conditioned, logits)
    never = list(opened.model.suppress_tokens)
    log_prob[:, never] = -np.inf
    if len(prefix):
        forced = conditioned.score(TokenBatch.of(list(begun))).log_prob
        log_prob += forced.reshape(begun.shape).sum(axis=1, dtype=np.float64)[:, None]
    longest = np.ceil(settings.max_length_ratio * sources.lengths).astype(np.int64) + _MORE
    if settings.num_samples is None:
        return beam.search(
            conditioned, log_prob, state, beam_size=settings.beam_size, n_best=settings.n_best, max_new_tokens=longest,
            length_penalty=settings.length_penalty, no_repeat_ngram=settings.no_repeat_ngram, prefix=prefix, end=EOS_ID, never=never,
            spelling=beam.Spelling(text=lambda _, ids: _words(opened.target.decode(ids))),
        )  # fmt: skip
    each = settings.num_samples
    random = [
        numbers(settings.seed, line=part.line, sample=k + (part.number << 32)) for part in parts for k in range(each)
    ]
    copies = np.repeat(np.arange(rows), each)
    drawn = sample(
        conditioned, log_prob[copies], state.reorder(copies), policy=settings.policy, random=random, max_new_tokens=longest[copies],
        length_penalty=settings.length_penalty, no_repeat_ngram=settings.no_repeat_ngram, prefix=prefix, end=EOS_ID, never=never,
    )  # fmt: skip
    return [drawn[row * each : (row + 1) * each] for row in range(rows)]


def _joined(
    opened: OpenTranslator,
    line: int,
    text: str,
    parts: list[tuple[np.ndarray, list[beam.Hypothesis]]],
    settings: TranslationSettings,
) -> TranslatedLine:
    """The translations of a line from those of its windows: the best combinations, or the k-th samples of all
    windows."""
    found, tokens = [found for _, found in parts], [tokens for tokens, _ in parts]
    if settings.num_samples is not None:
        drawn = [_combined(opened, each) for each in list(zip(*found)) or [()]]
        return TranslatedLine(line, text, tokens, drawn)
    scored = [[(hypothesis.score, hypothesis) for hypothesis in each] for each in found]
    n = settings.n_best
    while True:  # several combinations may have the same text
        chosen = best_combinations(scored, n=n)
        different: dict[str, LineHypothesis] = {}
        for _, each in chosen:
            combined = _combined(opened, each)
            different.setdefault(_words(combined.text), combined)
        if len(different) >= settings.n_best or len(chosen) < n:
            return TranslatedLine(line, text, tokens, list(different.values())[: settings.n_best])
        n *= 2


def _combined(opened: OpenTranslator, each: Sequence[beam.Hypothesis]) -> LineHypothesis:
    """The translation of a line from one of each window."""
    texts = [_text(opened, hypothesis) for hypothesis in each]
    if len(texts) > 1:
        texts = list(filter(None, map(str.strip, texts)))
    return LineHypothesis(
        " ".join(texts), [hypothesis.ids for hypothesis in each], sum((hypothesis.log_prob for hypothesis in each), 0.0),
        sum((hypothesis.score for hypothesis in each), 0.0), all(hypothesis.ended for hypothesis in each),
    )  # fmt: skip


def _text(opened: OpenTranslator, hypothesis: beam.Hypothesis) -> str:
    """The text of a hypothesis, without the first bytes of a character that was cut at the length limit."""
    text = opened.target.decode(hypothesis.ids)
    return text if hypothesis.ended else text.rstrip("\ufffd")


def _words(text: str) -> str:
    """The text with normalised white space: translations that differ only in white space count as one."""
    return " ".join(text.split())
