"""Beam search on toy models: against all sequences there are, against greedy, against a search that never stops early."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from seqcli.decoding import beam
from seqcli.decoding.logits import log_softmax

V, END, NEVER = 4, 2, [1]
LONGEST = 4


@dataclass
class Prefixes:
    rows: list[tuple[int, ...]]

    def reorder(self, rows):
        return Prefixes([self.rows[row] for row in rows])


class Toy:
    """A model whose logits are noise that depends on the whole prefix."""

    logits_are_log_probs = False

    def __init__(self, seed: int, *, end: float = 0.0):
        self.seed, self.end = seed, end

    def logits(self, prefix: tuple[int, ...]) -> np.ndarray:
        values = np.random.default_rng([self.seed, *prefix]).normal(scale=2, size=V).astype(np.float32)
        values[END] += self.end
        values[1] = -np.inf
        return values

    def extend(self, tokens, lengths, state):
        assert tokens.dtype == np.int32 and (lengths == 1).all()
        rows = [(*prefix, int(token)) for prefix, (token,) in zip(state.rows, tokens)]
        return np.array([self.logits(row) for row in rows]), Prefixes(rows)

    def log_prob(self, source: int, ids) -> float:
        rows = [(source, *ids[:n]) for n in range(len(ids))]
        return float(sum(log_softmax(self.logits(row)[None])[0, id] for row, id in zip(rows, ids)))


def search(model, *sources: int, **settings):
    log_prob = log_softmax(np.array([model.logits((source,)) for source in sources]))
    settings = {"max_new_tokens": LONGEST, "end": END, "never": NEVER, **settings}
    return beam.search(model, log_prob, Prefixes([(source,) for source in sources]), **settings)


def everything(
    model, source: int, *, penalty: float, prefix=(), longest: int = LONGEST
) -> list[tuple[float, list[int]]]:
    """All sequences that end, or are cut at `longest` tokens, with their scores, best first."""
    found = []
    for length in range(1, longest - len(prefix) + 1):
        for more in product([0, 2, 3], repeat=length):
            ids = [*prefix, *more]
            if END not in more[:-1] and (more[-1] == END or len(ids) == longest):
                found.append((model.log_prob(source, ids) / len(ids) ** penalty, ids))
    return sorted(found, reverse=True)


def reference(model, source: int, *, k: int, n: int, penalty: float) -> list[list[int]]:
    """The search of the docstring, which stops where it says and no earlier."""
    live, ended = [(0.0, ())], []
    for length in range(1, LONGEST + 1):
        extended = [
            (log_prob + step, (*ids, id))
            for log_prob, ids in live
            for id, step in enumerate(log_softmax(model.logits((source, *ids))[None])[0])
            if id != 1
        ]
        best = sorted(extended, key=lambda h: -h[0])
        live = [h for h in best if h[1][-1] != END and length < LONGEST][:k]
        ended += [
            (log_prob / length**penalty, list(ids)) for log_prob, ids in best[:k] if ids[-1] == END or length == LONGEST
        ]
        worst = sorted((score for score, _ in ended), reverse=True)[k - 1 : k]
        if worst and (k == 1 or not live or worst[0] >= live[0][0] / length**penalty):
            break
    return [ids for _, ids in sorted(ended, key=lambda h: -h[0])[:n]]


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_that_drops_nothing_finds_the_best_of_all(seed, penalty):
    model = Toy(seed, end=-1.0)
    (found,) = search(model, 9, beam_size=3**LONGEST, n_best=7, length_penalty=penalty)
    expected = everything(model, 9, penalty=penalty)[:7]
    assert [h.ids for h in found] == [ids for _, ids in expected]
    np.testing.assert_allclose([h.score for h in found], [score for score, _ in expected], rtol=1e-6)
    for h in found:
        assert h.log_prob == pytest.approx(model.log_prob(9, h.ids)) and h.ended == (h.ids[-1] == END)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("prefix", [[3], [0, 3], [0, 0]])
def test_a_forced_beginning_counts_in_the_score(prefix, penalty):
    model = Toy(5)
    log_prob = log_softmax(model.logits((9, *prefix))[None]) + model.log_prob(9, prefix)
    (found,) = beam.search(
        model, log_prob, Prefixes([(9, *prefix)]), beam_size=3**LONGEST, n_best=4, length_penalty=penalty, prefix=prefix,
        max_new_tokens=LONGEST - len(prefix), end=END, never=NEVER,
    )  # fmt: skip
    expected = everything(model, 9, penalty=penalty, prefix=prefix)[:4]
    assert [h.ids for h in found] == [ids for _, ids in expected]
    np.testing.assert_allclose([h.score for h in found], [score for score, _ in expected], rtol=1e-6)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_each_source_has_its_own_greatest_length(penalty):
    model, longest = Toy(3, end=-2.0), np.array([1, 4, 2, 3])
    found = search(model, *range(4), beam_size=81, n_best=1, max_new_tokens=longest, length_penalty=penalty)
    for source, ((best,), most) in enumerate(zip(found, longest)):
        assert best.ids == everything(model, source, penalty=penalty, longest=most)[0][1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_n_tokens_come_twice(n):
    def repeats(ids):
        grams = [tuple(ids[at : at + n]) for at in range(len(ids) - n + 1)]
        return len(set(grams)) < len(grams)

    for seed in range(10):
        model = Toy(seed, end=-3.0)
        (found,) = search(model, 1, beam_size=3**LONGEST, n_best=5, no_repeat_ngram=n)
        allowed = [ids for _, ids in everything(model, 1, penalty=0.0) if not repeats(ids)]
        assert [h.ids for h in found] == allowed[:5]


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(12))
def test_a_search_stops_where_its_rule_says(seed, penalty):
    for k, n in ((1, 1), (2, 1), (3, 3), (5, 2)):
        model = Toy(seed, end=1.0)
        (found,) = search(model, 0, beam_size=k, n_best=n, length_penalty=penalty)
        assert [h.ids for h in found] == reference(model, 0, k=k, n=n, penalty=penalty)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(penalty):
    for seed in range(20):
        model, ids = Toy(seed), []
        while len(ids) < LONGEST and END not in ids:
            ids.append(int(model.logits((3, *ids)).argmax()))
        ((best,),) = search(model, 3, beam_size=1, length_penalty=penalty)
        assert best.ids == ids


def test_sources_together_are_sources_alone():
    model = Toy(4)
    together = search(model, *range(8), beam_size=3, n_best=2, length_penalty=0.6)
    assert together == [search(model, source, beam_size=3, n_best=2, length_penalty=0.6)[0] for source in range(8)]


def test_it_stops_as_soon_as_nothing_better_can_come():
    class Counting(Toy):
        steps = 0

        def extend(self, tokens, lengths, state):
            self.steps += 1
            return super().extend(tokens, lengths, state)

    model = Counting(0, end=20.0)
    search(model, 0, beam_size=3, max_new_tokens=1000)
    assert model.steps == 0


def test_texts_that_never_end_are_cut():
    (found,) = search(Toy(1), 5, beam_size=2, n_best=2, end=None, never=[1, END], max_new_tokens=3)
    assert all(len(h.ids) == 3 and not h.ended and END not in h.ids[1:] for h in found) and len(found) == 2


# --- several segmentations of one text, and stop strings ---------------------------------------------------------------


def spelled(source, ids) -> str:
    """Token 0 says nothing and token 3 an "a", so that a text has many segmentations."""
    return "".join("_.$a"[id] for id in ids if id)


def best_of_texts(model, source: int, *, penalty: float) -> dict[str, float]:
    """All texts there are, best first, with the score of their best segmentation."""
    texts: dict[str, float] = {}
    for score, ids in everything(model, source, penalty=penalty):
        texts.setdefault(spelled(source, ids), score)
    return texts


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_segmentations_of_one_text_are_one_hypothesis(seed, penalty):
    model, spelling = Toy(seed, end=-1.0), beam.Spelling(text=spelled)
    expected = best_of_texts(model, 9, penalty=penalty)
    (found,) = search(model, 9, beam_size=3**LONGEST, n_best=5, length_penalty=penalty, spelling=spelling)
    assert [spelled(9, h.ids) for h in found] == list(expected)[:5]
    np.testing.assert_allclose([h.score for h in found], list(expected.values())[:5], rtol=1e-6)


@pytest.mark.parametrize("n_best", [2, 5, 9, 20])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_that_finds_too_few_texts_is_widened(seed, n_best):
    """There are nine texts, "" to "aaaa" and "$" to "aaa$"; each source has its own as if it were alone."""
    model, spelling = Toy(seed), beam.Spelling(text=spelled)
    together = search(model, 9, 7, 8, beam_size=n_best, n_best=n_best, spelling=spelling)
    for source, found in zip((9, 7, 8), together):
        texts = [spelled(source, h.ids) for h in found]
        assert (
            len(set(texts))
            == len(texts)
            == min(n_best, 9)
            == min(n_best, len(best_of_texts(model, source, penalty=0.0)))
        )
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert [found] == search(model, source, beam_size=n_best, n_best=n_best, spelling=spelling)


def test_a_beam_is_no_wider_than_memory_allows(monkeypatch):
    monkeypatch.setattr(beam, "_WIDEST", 0)
    assert (
        len(search(Toy(1), 9, beam_size=20, n_best=20, spelling=beam.Spelling(text=lambda source, ids: ids[0]))[0]) == 3
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_hypothesis_ends_where_its_text_stops(seed):
    model = Toy(seed)
    stops = beam.Spelling(stops=lambda source, ids: ids[-2:] == [3, 0])
    expected = []
    for _score, ids in everything(model, 9, penalty=0.0):
        cut = next((n for n in range(2, len(ids) + 1) if ids[n - 2 : n] == [3, 0]), len(ids))
        expected.append((model.log_prob(9, ids[:cut]), tuple(ids[:cut])))
    expected = sorted(set(expected), reverse=True)[:6]
    (found,) = search(model, 9, beam_size=3**LONGEST, n_best=6, spelling=stops)
    assert [tuple(h.ids) for h in found] == [ids for _, ids in expected]
    np.testing.assert_allclose([h.log_prob for h in found], [log_prob for log_prob, _ in expected], rtol=1e-6)
