"""Text generation: the loop that reads prompts and samples a token at a time, for every language model.

`<unk>` is never generated, since it is not text. Beam search is in `beam.py`; here its hypotheses become texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np

from seqcli.decoding import beam
from seqcli.decoding.logits import HostLogits, distribution, draw, log_probs, step_of
from seqcli.decoding.prompt import Prompt, Prompter, Start, begin
from seqcli.decoding.sampling import Policy, numbers
from seqcli.decoding.text_stream import TextStream
from seqcli.errors import UsageError
from seqcli.interfaces import Logits, OpenModel, State
from seqcli.ranges import BEAM, COUNT, SEED, check, ranged
from seqcli.results.language import Continuation
from seqcli.text import BOS_ID, EOS_ID, UNK_ID
from seqcli.token_batch import padded

_AT_ONCE = 1 << 22  # maximum number of logits held at a time
_REMEMBERED = 1 << 13  # hypotheses whose texts are cached, to be extended by others

# `</s>` was generated, a stop string was found, or the maximum number of tokens was reached
END, STOP, LENGTH = "end", "stop", "length"


@dataclass(frozen=True)
class GenerationSettings:
    """beam_size: find the `num_samples` most likely texts instead of sampling; `policy` and `seed` then have no
    effect."""

    policy: Policy = field(default_factory=Policy)
    max_new_tokens: int = ranged(COUNT, 100)
    num_samples: int = ranged(COUNT, 1)
    beam_size: int | None = ranged(BEAM, None)
    stop: tuple[str, ...] = ()
    seed: int = ranged(SEED, 0)

    def __post_init__(self):
        check(self)
        if self.beam_size and self.num_samples > self.beam_size:
            cure = f"use beam size {self.num_samples}"
            raise UsageError(f"beam size {self.beam_size} is too small for {self.num_samples} texts", cure=cure)
        if self.beam_size and self.policy != Policy():
            raise UsageError("sampling settings cannot be combined with beam_size", cure="leave one of them out")
        if "" in self.stop:
            raise UsageError("an empty stop string would end every text at once", cure="leave it out")


class Sample(NamedTuple):
    """The `number`-th of a prompt's samples."""

    line: int
    number: int
    prompt: Prompt


class GrowingText:
    """The continuation of a prompt while it is generated. ids: generated tokens, including `</s>`; log_prob: natural,
    of all of them under the model itself, before the policy is applied; text: the continuation so far; finish_reason:
    END, STOP or LENGTH, None until it is finished."""

    def __init__(self, opened: OpenModel, sample: Sample, start: Start, settings: GenerationSettings):
        self.line, self.number, self.prompt = sample
        self.ids: list[int] = []
        self.log_prob = 0.0
        self.finish_reason: str | None = None
        self.may_stop = bool(settings.stop)
        self._end, self._most = _end(opened), settings.max_new_tokens
        self._stream = TextStream(opened.tokenizer, sample.prompt, start, stop=settings.stop)

    @property
    def text(self) -> str:
        return self._stream.text

    @property
    def result(self) -> Continuation:
        """The finished sample."""
        assert self.finish_reason is not None
        return Continuation(self.prompt.text, self.text, self.log_prob, len(self.ids), self.finish_reason)

    def copy(self) -> GrowingText:
        """A copy that grows independently."""
        other = copy(self)
        other.ids, other._stream = list(self.ids), self._stream.copy()
        return other

    def add(self, token: int, log_prob: float) -> None:
        self.ids.append(token)
        self.log_prob += log_prob
        if token == self._end:
            self.finish_reason = END
        elif self._stream.add(token):
            self.finish_reason = STOP
        elif len(self.ids) == self._most:
            self.finish_reason = LENGTH
        if self.finish_reason in (END, LENGTH):
            self._stream.finish(cut=self.finish_reason == LENGTH)


def generate(
    opened: OpenModel, texts: Iterable[str], settings: GenerationSettings, *, first: int = 1
) -> Iterator[GrowingText]:
    """The finished samples of each text, in order; the first text is line `first`. Samples of beam search are
    different texts, best first: fewer than `num_samples` if it found no more."""
    samples = samples_of(opened, texts, settings, first=first)
    at_once = max(1, _AT_ONCE // (opened.model.vocab_size * (settings.beam_size or 1)))
    while chunk := list(islice(samples, at_once)):
        if settings.beam_size:
            yield from _likeliest(opened, chunk, settings, beam_size=settings.beam_size)
        else:
            finished = (row for row in grow(opened, chunk, settings) if row.finish_reason)
            yield from sorted(finished, key=lambda row: (row.line, row.number))


def samples_of(
    opened: OpenModel, texts: Iterable[str], settings: GenerationSettings, *, first: int = 1
) -> Iterator[Sample]:
    """The samples to generate; one per text for beam search."""
    prompts = map(Prompter(opened).read, texts)
    each = range(1 if settings.beam_size else settings.num_samples)
    return (Sample(line, number, prompt) for line, prompt in enumerate(prompts, first) for number in each)


def grow(opened: OpenModel, samples: Sequence[Sample], settings: GenerationSettings) -> Iterator[GrowingText]:
    """Generates all samples together; yields a row each time it has grown by a token."""
    policy = settings.policy
    random = [numbers(settings.seed, line=sample.line, sample=sample.number) for sample in samples]
    # 1. Read every prompt once; the first random number of a sample chooses where the first token begins
    u = np.array([one.random() for one in random])
    starts, first, may, state = _begun(opened, samples, u=u, temperature=policy.temperature if policy.random else 0)
    logits: Logits = HostLogits(first, normalised=opened.model.logits_are_log_probs, may=may)
    rows = [GrowingText(opened, sample, start, settings) for sample, start in zip(samples, starts)]
    history = padded([row.prompt.ids[: start.kept] for row, start in zip(rows, starts)], fill=BOS_ID)
    alive, never, step = np.arange(len(rows)), _never(opened), step_of(opened.model)
    while True:
        # 2. Draw a token for each row
        u = np.array([random[row].random() for row in alive])
        drawn, log_prob = logits.draw(policy, u, history=history, never=never)
        for row, token, value in zip(alive, drawn.tolist(), log_prob.tolist()):
            rows[row].add(token, value)
            yield rows[row]
        # 3. Extend the rows that are not finished
        on = np.flatnonzero([rows[row].finish_reason is None for row in alive])
        if not len(on):
            return
        alive, drawn = alive[on], drawn[on, None]
        history = np.concatenate([history[on], drawn], axis=1) if policy.repetition_penalty != 1 else history[on]
        logits, state = step(drawn[:, 0], state.reorder(on))


def _likeliest(
    opened: OpenModel, samples: Sequence[Sample], settings: GenerationSettings, *, beam_size: int
) -> Iterator[GrowingText]:
    """Generates by beam search, best first; `samples` has one entry per prompt."""
    starts, logits, may, state = _begun(opened, samples, u=np.zeros(len(samples)), temperature=0)
    spelled = _Spelled([GrowingText(opened, sample, start, settings) for sample, start in zip(samples, starts)])
    found = beam.search(
        opened.model,
        np.where(may, log_probs(opened.model, logits), -np.inf),
        state,
        beam_size=beam_size,
        n_best=settings.num_samples,
        max_new_tokens=settings.max_new_tokens,
        end=_end(opened),
        never=_never(opened),
        spelling=spelled.spelling,
    )
    for source, hypotheses in enumerate(found):
        for number, hypothesis in enumerate(hypotheses):
            row = spelled.of(source, hypothesis.ids).copy()
            row.number, row.log_prob = number, hypothesis.log_prob
            yield row


class _Spelled:
    """The texts of hypotheses; each extends its parent's by a token, as long as the parent is cached."""

    def __init__(self, begun: Sequence[GrowingText]):
        self._begun = begun  # of each prompt, without tokens
        self._grown: dict[tuple[int, ...], GrowingText] = {}

    @property
    def spelling(self) -> beam.Spelling:
        stops = any(row.may_stop for row in self._begun)
        return beam.Spelling(
            text=lambda source, ids: self.of(source, ids).text,
            stops=(lambda source, ids: self.of(source, ids).finish_reason == STOP) if stops else None,
        )

    def of(self, source: int, ids: list[int]) -> GrowingText:
        key = (source, *ids)
        if key not in self._grown:
            parent = self._grown.get(key[:-1])
            row = (parent or self._begun[source]).copy()
            for token in ids[len(row.ids) :]:
                row.add(token, 0.0)
            if len(self._grown) >= _REMEMBERED:
                self._grown.clear()
            self._grown[key] = row
        return self._grown[key]


def _begun(
    opened: OpenModel, samples: Sequence[Sample], *, u: np.ndarray, temperature: float
) -> tuple[list[Start], np.ndarray, np.ndarray, State]:
    """The start of each sample, chosen by `u` [B]; the logits there, [B, V]; the tokens allowed first, bool [B, V];
    the state."""
    prompts = {sample.line: sample.prompt for sample in samples}
    begun = begin(opened.model, list(prompts.values()))
    places = {line: (rows, begun.log_shares(rows)[None]) for line, rows in zip(prompts, begun.rows)}
    sharpened = Policy(temperature=temperature)
    starts, chosen = [], []
    for sample, at in zip(samples, u):
        rows, shares = places[sample.line]
        start = int(draw(distribution(shares, sharpened), at[None])[0])
        starts.append(sample.prompt.starts[start])
        chosen.append(rows.start + start)
    may = begun.log_prob[chosen] > -np.inf
    may[:, _never(opened)] = False
    return starts, begun.logits[chosen], may, begun.state.reorder(np.array(chosen))


def _end(opened: OpenModel) -> int | None:
    """The token that ends a text; in running text `</s>` may be a line feed."""
    return EOS_ID if opened.unit == "line" or opened.ends_documents else None


def _never(opened: OpenModel) -> list[int]:
    return [UNK_ID] if opened.ends or opened.ends_documents else [UNK_ID, EOS_ID]
