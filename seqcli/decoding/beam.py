"""Beam search: the most likely continuations, for every model that can extend a state and reorder it.

Each step extends the `beam_size` hypotheses of each source by every token. Of the `beam_size` best extensions, those that
end are complete; the `beam_size` best that do not end stay live. With a beam of 1 the search is greedy and stops at the first
end; if nothing is ever dropped, it is exhaustive. Hypotheses are compared by

    score = log p / length ^ length_penalty        (length: tokens, including `</s>`; 0 compares probabilities)

log p never increases with length, so the best score that a live hypothesis can still reach is
log p / longest ^ length_penalty, where `longest` is the maximum length for its source. A source is done when no live
hypothesis can reach the worst of its `n_best`; this never loses a better one. It is also done when `beam_size` hypotheses are
complete and no live one has a better score than the worst of them, which halves the number of steps. These are the rules of
transformers (`early_stopping=False`).

The extensions of a hypothesis differ only in their logits, and at most one of them ends with `</s>`, so the best live extensions are
among the `beam_size` + 1 best of each hypothesis.

A text may have several segmentations: of the hypotheses with the same text only the best is kept. If the search finds fewer
texts than requested but has dropped hypotheses, it is repeated with a beam twice as wide.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import numpy as np

from seqcli.decoding.logits import HostLogits, repeats, step_of, top
from seqcli.interfaces import AutoregressiveModel, Logits, State

_WIDEST = 1 << 24  # maximum number of logits at a time with a doubled beam: 64 MB


@dataclass(frozen=True)
class Hypothesis:
    ids: list[int]  # including `</s>` if it has `ended`
    log_prob: float  # natural, of all ids
    score: float
    ended: bool  # False: cut at the maximum length


@dataclass(frozen=True)
class Step:
    """A step of the search for one source: the extensions that are kept, best first.

    first: whether this is the first step of a search; parent: index among the live hypotheses of the previous step; log_prob:
    of all tokens; done: whether the hypothesis is complete or has its maximum length.
    """

    first: bool
    parent: list[int]
    token: list[int]
    log_prob: list[float]
    done: list[bool]


_WATCH: ContextVar[Callable[[Step], None] | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Callable[[Step], None]) -> Iterator[None]:
    """A context in which `watch` is called with every step of a search for one source. Results do not change."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


@dataclass(frozen=True)
class Spelling:
    """The text of a hypothesis. Both functions take the index of the source and all token ids. text: hypotheses with
    the same text count as one; stops: whether the text ends here without `</s>`."""

    text: Callable[[int, list[int]], Hashable] = lambda source, ids: tuple(ids)
    stops: Callable[[int, list[int]], bool] | None = None


def search(
    model: AutoregressiveModel,
    log_prob: np.ndarray,
    state: State,
    *,
    beam_size: int,
    n_best: int = 1,
    max_new_tokens: int | np.ndarray,
    length_penalty: float = 0.0,
    no_repeat_ngram: int = 0,
    prefix: Sequence[int] | np.ndarray = (),
    end: int | None,
    never: list[int],
    spelling: Spelling = Spelling(),
) -> list[list[Hypothesis]]:
    """The `n_best` best hypotheses with different texts for each of B sources, best first; fewer only if there are no
    more, or if the widest beam that memory allows finds no more.

    log_prob: [B, V] of the first token, -inf for tokens that are not allowed; state: of the same B rows; prefix: tokens that all
    hypotheses begin with, already read by `state` and counted in `log_prob`; max_new_tokens: maximum number of tokens after the
    prefix, for all sources or for each [B]; no_repeat_ngram: size of the n-grams that may occur only once (0: no limit); never:
    tokens that are not allowed after the first.
    """
    assert 1 <= n_best <= beam_size and length_penalty >= 0 and np.min(max_new_tokens, initial=1) >= 1
    longest = np.broadcast_to(len(prefix) + np.asarray(max_new_tokens), len(log_prob))
    searched = partial(
        _search, model, n_best=n_best, length_penalty=length_penalty, no_repeat_ngram=no_repeat_ngram, prefix=prefix, end=end,
        never=never, spelling=spelling,
    )  # fmt: skip
    found, dropped = searched(log_prob, state, sources=np.arange(len(log_prob)), longest=longest, beam_size=beam_size)
    for source, hypotheses in found.items():
        width, more = 2 * beam_size, dropped[source]
        while len(hypotheses) < n_best and more and width * log_prob.shape[1] <= _WIDEST:
            one = np.array([source])
            again, still = searched(
                log_prob[one], state.reorder(one), sources=one, longest=longest[one], beam_size=width
            )
            hypotheses, more, width = again[source], still[source], 2 * width
        found[source] = hypotheses
    return list(found.values())


def _search(
    model: AutoregressiveModel, log_prob: np.ndarray, state: State, *, sources: np.ndarray, longest: np.ndarray, beam_size: int, n_best: int,
    length_penalty: float, no_repeat_ngram: int, prefix: Sequence[int] | np.ndarray, end: int | None, never: list[int], spelling: Spelling,
) -> tuple[dict[int, list[Hypothesis]], dict[int, bool]]:  # fmt: skip
    """Search with a beam of fixed width: the hypotheses of each source, and whether others were dropped. sources:
    their indices among all sources; longest: maximum number of tokens, including the prefix; both [B]."""
    found: dict[int, list[Hypothesis]] = {source: [] for source in sources.tolist()}
    dropped = dict.fromkeys(found, False)
    complete = np.full((len(sources), beam_size), -np.inf)  # scores of the best, [B, k]
    ids = np.tile(np.asarray(prefix, np.int64), (len(sources), 1, 1))  # [B, live, length]
    total = np.zeros((len(sources), 1))  # log p of an extension: its log-probability + the total of its row
    logits: Logits = HostLogits(log_prob.copy(), normalised=True)
    absent: list[int] = []  # tokens that are not allowed
    step = step_of(model)
    while len(sources):
        # 1. The best of all extensions
        repeated = repeats(ids.reshape(ids.shape[0] * ids.shape[1], -1), n=no_repeat_ngram) if no_repeat_ngram else None
        likeliest, own, normaliser = logits.best(beam_size + 1, never=absent, forbidden=repeated)  # [B live, k + 1]
        total -= normaliser.reshape(total.shape)
        longer = own + total.reshape(-1, 1)
        width, each = ids.shape[1], likeliest.shape[1]
        longer = longer.reshape(len(sources), width * each)
        best = top(longer, 2 * beam_size)  # of which at most half end
        total = np.take_along_axis(longer, best, axis=1)  # [B, 2 k]
        parent = best // each
        token = np.take_along_axis(likeliest.reshape(longer.shape), best, axis=1)
        ids = np.concatenate([np.take_along_axis(ids, parent[:, :, None], axis=1), token[:, :, None]], axis=2)
        for source in sources[(total[:, beam_size:] > -np.inf).any(axis=1)].tolist():
            dropped[source] = True
        # 2. The best extensions that have ended are complete
        length, first = ids.shape[2], len(prefix) + 1
        possible = total > -np.inf
        ended = token == end if end is not None else np.zeros(token.shape, bool)
        done = possible & (ended | (length == longest[:, None]))
        if spelling.stops:
            for b, k in np.argwhere(possible & ~done):
                done[b, k] = spelling.stops(int(sources[b]), ids[b, k].tolist())
        kept = done[:, :beam_size]
        for b, k in np.argwhere(kept):
            score = float(total[b, k]) / length**length_penalty
            found[int(sources[b])].append(Hypothesis(ids[b, k].tolist(), float(total[b, k]), score, bool(ended[b, k])))
        scores = np.where(kept, total[:, :beam_size], -np.inf) / length**length_penalty
        complete = -np.sort(-np.concatenate([complete, scores], axis=1), axis=1)[:, :beam_size]
        if watch := _WATCH.get():
            watch(_step(parent[0], token[0], total[0], done[0], beam_size=beam_size, first=length == first))
        # 3. The best that have not ended stay live
        going = np.argsort(done | ~possible, axis=1, kind="stable")[:, :beam_size]
        total[done] = -np.inf
        total, parent, token = (np.take_along_axis(each, going, axis=1) for each in (total, parent, token))
        ids = np.take_along_axis(ids, going[:, :, None], axis=1)
        # 4. Remove the sources that are done
        for source in sources[kept.any(axis=1)].tolist():
            found[source] = _best(found[source], n_best, text=partial(spelling.text, source))
        worst = np.array([found[s][-1].score if len(found[s]) == n_best else -np.inf for s in sources.tolist()])
        leader = total.max(axis=1)
        over = (complete[:, -1] >= leader / length**length_penalty) & (worst > -np.inf)
        if beam_size == 1:
            over = done[:, 0]
        alive = np.flatnonzero((leader / longest**length_penalty > worst) & ~over)
        if not len(alive):
            break
        rows = (alive[:, None] * width + parent[alive]).ravel()
        sources, longest, complete, ids = sources[alive], longest[alive], complete[alive], ids[alive]
        total, token = total[alive], token[alive]
        # 5. Read the last token of the others
        logits, state = step(token.ravel(), state.reorder(rows))
        absent = never
    return found, dropped


def _step(
    parent: np.ndarray, token: np.ndarray, log_prob: np.ndarray, done: np.ndarray, *, beam_size: int, first: bool
) -> Step:
    """The step, from the best extensions, [2 k]."""
    going = ~done & (np.cumsum(~done) <= beam_size)
    kept = (log_prob > -np.inf) & (going | (done & (np.arange(len(done)) < beam_size)))
    return Step(first, *(each[kept].tolist() for each in (parent, token, log_prob, done)))


def _best(hypotheses: list[Hypothesis], n: int, *, text: Callable[[list[int]], Hashable]) -> list[Hypothesis]:
    """The n best hypotheses with different texts, best first. text: the text of token ids."""
    ordered = sorted(hypotheses, key=lambda h: -h.score)
    if n == 1:
        return ordered[:1]
    kept: dict[Hashable, Hypothesis] = {}
    for hypothesis in ordered:
        kept.setdefault(text(hypothesis.ids), hypothesis)
        if len(kept) == n:
            break
    return list(kept.values())
