"""Interpolated modified Kneser-Ney against its equations, one n-gram at a time, in dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.ngram import counts, kneser_ney
from seqcli.ngram.arena import Arena
from seqcli.ngram.kneser_ney import FALLBACK, Discounts, discounts_of, smooth
from seqcli.text import BOS_ID, EOS_ID, UNK_ID


class SlowKneserNey:
    """p(word | context) by recursion: no tables, no back-off weights, nothing shared with the code it judges.

    rows: lists of word ids without `<s>` and `</s>`; prune: as for `smooth`.
    """

    def __init__(self, rows, *, vocab_size, order, prune=()):
        self.vocab_size, self.order = vocab_size, order
        self.threshold = dict(enumerate([*prune, *[prune[-1] if prune else 0] * order][:order], start=1))
        self.count = {n: Counter() for n in range(1, order + 1)}  # no n-gram ends in <s>
        for row in rows:
            tokens = (BOS_ID, *row, EOS_ID)
            for n in self.count:
                self.count[n].update(tokens[end - n : end] for end in range(max(n, 2), len(tokens) + 1))
        self.followers = defaultdict(dict)  # context -> {word: adjusted count}
        self.discount = {}
        for n in self.count:
            contexts_to_the_left = Counter(longer[1:] for longer in self.count.get(n + 1, ()))
            adjusted = {
                ngram: plain if n == order or ngram[0] == BOS_ID else contexts_to_the_left[ngram]
                for ngram, plain in self.count[n].items()
            }
            self.discount[n] = (0, *self.discounts(Counter(adjusted.values())))
            for ngram, a in adjusted.items():
                self.followers[ngram[:-1]][ngram[-1]] = a

    @staticmethod
    def discounts(n: Counter) -> tuple[float, float, float]:
        """Equation 26 of Chen and Goodman (1998)."""
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            d = tuple(j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
            if all(0 <= d[j - 1] <= j for j in (1, 2, 3)):
                return d
        return 0.5, 1.0, 1.5

    def kept(self, ngram) -> bool:
        return self.count[len(ngram)][ngram] > self.threshold[len(ngram)]

    def p(self, word: int, context: tuple[int, ...]) -> float:
        """Equation 24; the uniform distribution is below the unigrams."""
        lower = self.p(word, context[1:]) if context else 1 / (self.vocab_size - 1)
        if context not in self.followers:
            return lower
        followers, discount = self.followers[context], self.discount[len(context) + 1]
        freed = {w: discount[min(a, 3)] if self.kept((*context, w)) else a for w, a in followers.items()}
        total = sum(followers.values())
        seen = (followers[word] - freed[word]) / total if word in followers else 0
        return seen + sum(freed.values()) / total * lower

    def score(self, row) -> tuple[list[float], list[int]]:
        """log p of the tokens of a row and `</s>`, and how long the n-gram is that gave it."""
        tokens, log_prob, matched = (BOS_ID, *row, EOS_ID), [], []
        for t in range(1, len(tokens)):
            context = tokens[max(0, t - self.order + 1) : t]
            with np.errstate(divide="ignore"):
                log_prob.append(np.log(self.p(tokens[t], context)))
            ngrams = [tokens[begin : t + 1] for begin in range(t - len(context), t)]
            matched.append(next((len(ngram) for ngram in ngrams if self.kept(ngram)), 1))
        return log_prob, matched


def stream_of(rows) -> np.ndarray:
    return np.array([token for row in rows for token in (BOS_ID, *row, EOS_ID)], np.int32)


def estimate(rows, *, vocab_size, order, prune=(), arena=None) -> kneser_ney.Estimate:
    stream = stream_of(rows)
    arena = arena or Arena(memory=1 << 30, tokens=len(stream))
    return smooth(counts.count(stream, vocab_size=vocab_size, order=order, arena=arena), arena=arena, prune=prune)


@st.composite
def corpora(draw):
    """Vocabulary size, training rows and other rows: hand-sized ones, and larger ones in which words are as uneven as
    in language, so that counts of counts give discounts."""
    vocab_size = draw(st.integers(4, 12))
    word = st.sampled_from([*range(3, vocab_size), UNK_ID])
    if draw(st.booleans()):
        rows = st.lists(st.lists(word, max_size=8), min_size=1, max_size=10)
        return vocab_size, draw(rows), draw(rows)
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    share = 1 / np.arange(1, vocab_size - 1)
    rows = [
        random.choice([*range(3, vocab_size), UNK_ID], size, p=share / share.sum()) for size in random.poisson(5, 80)
    ]
    return vocab_size, [row.tolist() for row in rows[:60]], [row.tolist() for row in rows[60:]]


PRUNING = st.lists(st.integers(0, 3), max_size=3).map(lambda values: (0, *sorted(values)))


@settings(deadline=None)
@given(corpora(), st.integers(1, 6), st.just(()) | PRUNING)
def test_scores_are_those_of_the_equations(corpus, order, prune):
    vocab_size, rows, others = corpus
    slow = SlowKneserNey(rows, vocab_size=vocab_size, order=order, prune=prune)
    made = estimate(rows, vocab_size=vocab_size, order=order, prune=prune)
    for n in range(1, order + 1):
        assert tuple(made.discounts[n - 1][:3]) == slow.discount[n][1:]
        assert made.seen[n - 1] == len(slow.count[n])
        assert n == 1 or made.table.sizes[n - 1] == sum(map(slow.kept, slow.count[n]))
    stream = stream_of(rows + others)
    log_prob, matched = made.table.score(stream)
    expected = [slow.score(row) for row in rows + others]
    np.testing.assert_allclose(
        log_prob[stream != BOS_ID], [lp for row in expected for lp in row[0]], atol=1e-5, rtol=1e-6
    )
    assert matched[stream != BOS_ID].tolist() == [length for row in expected for length in row[1]]


@settings(deadline=None)
@given(corpora(), st.integers(1, 6), st.just(()) | PRUNING, st.data())
def test_probabilities_sum_to_one_behind_any_history(corpus, order, prune, data):
    vocab_size, rows, others = corpus
    table = estimate(rows, vocab_size=vocab_size, order=order, prune=prune).table
    for row in [*data.draw(st.lists(st.sampled_from(rows + others), min_size=1, max_size=4)), [UNK_ID] * order]:
        p = table.distribution([BOS_ID, *row])
        assert p.sum() == pytest.approx(1, abs=1e-5) and (p >= 0).all() and p[BOS_ID] == 0
        slow = SlowKneserNey(rows, vocab_size=vocab_size, order=order, prune=prune)
        context = (BOS_ID, *row)[-(order - 1) :] if order > 1 else ()
        np.testing.assert_allclose(
            p, [w != BOS_ID and slow.p(w, context) for w in range(vocab_size)], rtol=1e-5, atol=1e-9
        )


def assert_same(left, right):
    mine, its = left.table.tensors(), right.table.tensors()
    assert mine.keys() == its.keys()
    for name in mine:
        assert mine[name].dtype == its[name].dtype and np.array_equal(mine[name], its[name]), name
    assert left.discounts == right.discounts and left.seen == right.seen


@settings(deadline=None, max_examples=25)
@given(corpora(), st.integers(1, 6), st.just(()) | PRUNING, st.integers(8, 80), st.integers(1, 80))
def test_tiny_memory_gives_the_very_same_table(corpus, order, prune, chunk, rows_at_once):
    vocab_size, rows, _ = corpus
    arena = Arena(memory=0, tokens=len(stream_of(rows)))
    arena.chunk, arena.runs, arena.rows = chunk, chunk, rows_at_once
    outside = estimate(rows, vocab_size=vocab_size, order=order, prune=prune, arena=arena)
    assert_same(outside, estimate(rows, vocab_size=vocab_size, order=order, prune=prune))  # though its files are gone


def test_many_tokens_in_tiny_memory_give_the_very_same_table(tmp_path):
    draw = np.random.default_rng(2)
    rows = (3 + draw.zipf(1.5, size=(4000, 6)) % 500).tolist()
    for prune in ((), (0, 0, 1)):
        arena = Arena(memory=1 << 16, tokens=len(stream_of(rows)), folder=tmp_path)
        assert arena.chunk < len(stream_of(rows))
        outside = estimate(rows, vocab_size=503, order=4, prune=prune, arena=arena)
        assert not list(tmp_path.iterdir())
        assert_same(outside, estimate(rows, vocab_size=503, order=4, prune=prune))


SMALLEST = {
    "one word": [[3]],
    "one repeated word": [[3] * 50],
    "one line, many times": [[3, 4]] * 30,
    "empty lines only": [[], [], []],
    "one empty line": [[]],
    "only unknown words": [[UNK_ID, UNK_ID]],
}


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("rows", SMALLEST.values(), ids=SMALLEST)
def test_the_smallest_texts_give_a_model(rows, order):
    made = estimate(rows, vocab_size=6, order=order)
    assert made.discounts[0] == FALLBACK
    assert made.table.log_prob[0][BOS_ID] == -np.inf  # a start is given, never predicted
    for context in ([BOS_ID], [BOS_ID, 3], [BOS_ID, 5, 5, 5], [BOS_ID, 3, 3, 3, 3, 3, 3]):
        p = made.table.distribution(context)
        assert p.sum() == pytest.approx(1, abs=1e-5) and (np.delete(p, BOS_ID) > 0).all()
    log_prob, _ = made.table.score(stream_of([[3, 5, 3], []]))
    assert np.isfinite(log_prob[stream_of([[3, 5, 3], []]) != BOS_ID]).all()


def test_a_discount_of_zero_leaves_nothing_to_back_off_with():
    """Six words once, three twice, four thrice, each a row: Y = 12 / 24, D2 = 2 - 3 Y 8 / 6 = 0. lmplz writes log10 0 there."""
    times = np.repeat([1, 2, 3], [6, 3, 4])
    rows = [[word] for word, count in enumerate(times, 3) for _ in range(count)]
    made = estimate(rows, vocab_size=16, order=2)
    assert made.discounts[1].two == 0
    twice = 3 + 6
    p = made.table.distribution([BOS_ID, twice])
    assert p[EOS_ID] == pytest.approx(1) and np.delete(p, EOS_ID).tolist() == [0.0] * 15
    log_prob, _ = made.table.score(stream_of([[twice], [twice, 3], [3, 4]]))
    expected = SlowKneserNey(rows, vocab_size=16, order=2)
    np.testing.assert_allclose(log_prob[1:3], expected.score([twice])[0], rtol=1e-5)
    assert log_prob[5] == -np.inf and np.isfinite(log_prob[8:]).all()


def test_discounts_follow_equation_26():
    adjusted = np.repeat([0, 1, 2, 3, 4, 5, 900], [7, 10, 5, 3, 2, 4, 1])  # Y = 10 / 20
    assert discounts_of(adjusted) == Discounts(1 - 2 * 0.5 * 5 / 10, 2 - 3 * 0.5 * 3 / 5, 3 - 4 * 0.5 * 2 / 3)


@pytest.mark.parametrize(
    "n",
    [(0, 0, 0, 0), (5, 0, 1, 1), (5, 2, 0, 1), (0, 5, 5, 5), (9, 1, 9, 0), (9, 5, 1, 9)],
    ids=lambda n: f"{n} n-grams",
)
def test_discounts_that_cannot_be_estimated_fall_back(n):
    assert discounts_of(np.repeat([1, 2, 3, 4], n)) == FALLBACK
