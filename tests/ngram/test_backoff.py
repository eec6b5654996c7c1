"""Random ARPA files, whose n-grams need not have their suffixes, against back-off as the format defines it.

p(w | c) = p of the n-gram "c w" where the file has it, else back-off of c (1 where it has none) x p(w | c without its
first word)
"""

import math

import numpy as np
import pytest

from seqcli.decoding import beam
from seqcli.interop.formats import arpa
from seqcli.models.ngram import NgramModel
from seqcli.text import BOS_ID, EOS_ID, UNK_ID
from seqcli.token_batch import TokenBatch

LN10 = math.log(10)
WORDS = ["<unk>", "<s>", "</s>", "a", "b", "c", "d"]
MODELS, LINES = 9, 94  # of each order from 1 to 6: 5,076 lines


class Definition:
    """A random model; `log10` and `length` are what the definition says of a word after a context."""

    def __init__(self, rng, order, *, whole=False):
        """whole: leave out n-grams whose last n - 1 words are no n-gram."""
        self.order = order
        self.log_prob = {(word,): -round(float(rng.uniform(0.3, 3)), 4) for word in range(len(WORDS))}
        for _ in range(order - 1):
            before = [
                gram for gram in self.log_prob if len(gram) == max(map(len, self.log_prob)) and gram[-1] != EOS_ID
            ]
            longer = [(*gram, word) for gram in before for word in range(len(WORDS)) if word != BOS_ID]
            longer = [gram for gram in longer if not whole or gram[1:] in self.log_prob]
            kept = rng.permutation(len(longer))[: 12 + len(longer) // 8]
            self.log_prob |= {longer[k]: -round(float(rng.uniform(0.05, 2)), 4) for k in kept}
        contexts = (gram for gram in self.log_prob if len(gram) < order and gram[-1] != EOS_ID)
        self.log_backoff = {gram: round(float(rng.uniform(-1.5, 0.3)), 4) for gram in contexts if rng.random() < 0.9}

    def log10(self, word, context):
        if (*context, word) in self.log_prob:
            return self.log_prob[*context, word]
        return self.log_backoff.get(context, 0) + self.log10(word, context[1:])

    def length(self, word, context):
        return 1 + len(context) if (*context, word) in self.log_prob else self.length(word, context[1:])

    def context(self, tokens):
        return tuple(([BOS_ID, *tokens])[max(0, len(tokens) + 2 - self.order) :]) if self.order > 1 else ()

    def write(self, path):
        orders = [[gram for gram in self.log_prob if len(gram) == n] for n in range(1, self.order + 1)]
        lines = ["\\data\\", *(f"ngram {n}={len(grams)}" for n, grams in enumerate(orders, 1))]
        for n, grams in enumerate(orders, 1):
            lines += ["", f"\\{n}-grams:"]
            for gram in grams:
                weight = [str(self.log_backoff[gram])] if gram in self.log_backoff else []
                lines.append("\t".join([str(self.log_prob[gram]), " ".join(WORDS[word] for word in gram), *weight]))
        path.write_text("\n".join([*lines, "", "\\end\\", ""]))
        return path


def random_rows(rng, count):
    return [[int(word) for word in rng.choice([UNK_ID, 3, 4, 5, 6], rng.integers(0, 10))] for _ in range(count)]


def batch_of(rows):
    tokens = [token for row in rows for token in (*row, EOS_ID)]
    return TokenBatch(np.array(tokens, np.int32), np.array([len(row) + 1 for row in rows], np.int64))


@pytest.mark.parametrize("order", range(1, 7))
def test_scores_are_those_of_the_definition(order, tmp_path):
    rng, unlike_their_suffixes = np.random.default_rng(order), 0
    for _ in range(MODELS):
        definition = Definition(rng, order)
        unlike_their_suffixes += sum(
            gram[1:] not in definition.log_prob for gram in definition.log_prob if len(gram) > 1
        )
        model = NgramModel(arpa.read(definition.write(tmp_path / "m.arpa")).table)
        rows = random_rows(rng, LINES)
        batch = batch_of(rows)
        scores = model.score(batch)
        places = [
            (word, definition.context([*row, EOS_ID][:k])) for row in rows for k, word in enumerate([*row, EOS_ID])
        ]
        np.testing.assert_allclose(scores.log_prob / LN10, [definition.log10(*place) for place in places], atol=1e-5)
        np.testing.assert_array_equal(scores.order, [definition.length(*place) for place in places])
        # The distribution after every prefix of some rows, read at once, and token by token
        some = [[*row] for row in rows[:20]]
        state, step = None, 0
        alive = np.arange(len(some))
        logits, state = model.extend(np.zeros((len(some), 0), np.int32), np.zeros(len(some), np.int64))
        while len(alive):
            expected = [
                [definition.log10(word, definition.context(some[row][:step])) for word in range(7)] for row in alive
            ]
            assert (logits[:, BOS_ID] == -np.inf).all()
            np.testing.assert_allclose(np.delete(logits / LN10, BOS_ID, 1), np.delete(expected, BOS_ID, 1), atol=1e-5)
            at_once = model.next_distribution(np.array(some[alive[0]][:step], np.int64))
            np.testing.assert_allclose(np.log10(np.delete(at_once, BOS_ID)), np.delete(expected[0], BOS_ID), atol=1e-5)
            on = np.array([k for k, row in enumerate(alive) if len(some[row]) > step], np.int64)
            alive = alive[on]
            tokens = np.array([[some[row][step]] for row in alive], np.int32).reshape(-1, 1)
            logits, state = model.extend(tokens, np.ones(len(on), np.int64), state.reorder(on))
            step += 1
    assert order < 3 or unlike_their_suffixes > 100


@pytest.mark.parametrize("order", [3, 4, 5])
def test_beam_search_finds_the_likeliest_text_by_the_definition(order, tmp_path):
    definition = Definition(np.random.default_rng(order), order)
    model = NgramModel(arpa.read(definition.write(tmp_path / "m.arpa")).table)

    def texts(begun):
        yield [*begun, EOS_ID]
        if len(begun) < 2:
            for word in range(3, 7):
                yield from texts([*begun, word])

    def log10(text):
        return sum(definition.log10(word, definition.context(text[:k])) for k, word in enumerate(text))

    logits, state = model.extend(np.zeros((1, 0), np.int32), np.zeros(1, np.int64))
    logits[:, UNK_ID] = -np.inf
    (found,) = beam.search(model, logits, state, beam_size=60, n_best=60, max_new_tokens=3, end=EOS_ID, never=[UNK_ID])
    whole = [hypothesis for hypothesis in found if hypothesis.ended]
    expected = sorted((log10(text) for text in texts([])), reverse=True)
    best = max(whole, key=lambda hypothesis: hypothesis.log_prob)
    assert best.log_prob / LN10 == pytest.approx(expected[0], abs=1e-5)
    for hypothesis in whole:
        assert hypothesis.log_prob / LN10 == pytest.approx(log10(hypothesis.ids), abs=1e-5)


@pytest.mark.parametrize("order", range(2, 7))
def test_kenlm_scores_models_with_all_suffixes_as_we_do(order, tmp_path):
    kenlm = pytest.importorskip("kenlm")
    rng = np.random.default_rng(order)
    for _ in range(3):
        path = Definition(rng, order, whole=True).write(tmp_path / "m.arpa")
        judge, model = kenlm.Model(str(path)), NgramModel(arpa.read(path).table)
        rows = random_rows(rng, 60)
        told = [score for row in rows for score in judge.full_scores(" ".join(WORDS[word] for word in row))]
        scores = model.score(batch_of(rows))
        np.testing.assert_allclose(scores.log_prob / LN10, [score[0] for score in told], atol=1e-5)
        np.testing.assert_array_equal(scores.order, [score[1] for score in told])
