"""metrics/: the figures by their definitions, and their edges."""

import math
from fractions import Fraction
from itertools import islice, permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli import __version__
from seqcli.errors import InputError
from seqcli.metrics.perplexity import Totals, characters, line_bytes, perplexity
from seqcli.metrics.signature import of_language_model
from seqcli.metrics.significance import _UNITS, PairedBootstrap, mcnemar, wilson
from seqcli.scoring.choices import fillings
from seqcli.scoring.pairs import Tally
from seqcli.scoring.scramble import are_sampled, orderings

# --- perplexity -------------------------------------------------------------------------------------------------------


def test_perplexity_by_hand():
    assert perplexity(2 * math.log(1 / 4), 2) == pytest.approx(4)
    assert perplexity(-1e6, 1) == math.inf and math.isnan(perplexity(0.0, 0))
    assert perplexity(-math.inf, 3) == math.inf


def test_totals_add_up():
    a = Totals(sentences=1, tokens=3, unknown=1, log_prob=-3.0, log_prob_known=-1.0, bytes=8, characters=6)
    b = Totals(sentences=2, tokens=5, log_prob=-4.0, log_prob_known=-4.0, bytes=10, characters=10)
    both = a + b
    assert (both.sentences, both.tokens, both.unknown, both.bytes, both.characters) == (3, 8, 1, 18, 16)
    assert both.perplexity == pytest.approx(math.exp(7 / 8)) and both.perplexity_known == pytest.approx(math.exp(5 / 7))
    assert both.bits_per_byte == pytest.approx(7 / math.log(2) / 18)
    assert both.bits_per_character == pytest.approx(7 / math.log(2) / 16)
    assert a + Totals() == a
    nothing = Totals()
    assert all(map(math.isnan, (nothing.perplexity, nothing.bits_per_byte, nothing.bits_per_character)))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), max_size=6))
def test_bytes_and_characters_of_lines(lines):
    data = "".join(line + "\n" for line in lines).encode()
    assert line_bytes(data).tolist() == [len(line.encode()) + 1 for line in lines]
    assert characters(data) == len(data.decode())


# --- minimal pairs ----------------------------------------------------------------------------------------------------


def test_a_tie_counts_as_wrong():
    tally = Tally()
    assert [tally.add(*pair) for pair in [(-1, -2), (-2, -1), (-1, -1 + 1e-7), (-math.inf, -math.inf), (-1, -math.inf)]] == [
        True, False, False, False, True
    ]  # fmt: skip
    assert (tally.pairs, tally.correct, tally.ties, tally.accuracy) == (5, 2, 2, 0.4)
    assert math.isnan(Tally().accuracy)


def test_wilson_by_the_book():
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)  # Brown, Cai and DasGupta (2001)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1), abs=1e-4) and wilson(10, 10)[1] <= 1
    assert all(map(math.isnan, wilson(0, 0)))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(a, b):
    tail = sum(comb(a + b, i) for i in range(min(a, b) + 1))
    assert mcnemar(a, b) == pytest.approx(float(min(Fraction(1), Fraction(2 * tail, 2 ** (a + b)))), rel=1e-9)


# --- orderings and fillings -------------------------------------------------------------------------------------------

WORDS = st.lists(st.sampled_from("abcd"), max_size=7)


@settings(deadline=None, max_examples=30)
@given(WORDS)
def test_all_orderings_once_and_the_given_one_first(words):
    found = list(orderings(words, sample=2, seed=0))
    assert not are_sampled(words, sample=2) and found[0] == tuple(words)
    assert len(found) == len(set(found)) and set(found) == set(permutations(words))


def test_samples_of_orderings():
    words = list("abcdefgh")
    found = list(orderings(words, sample=100, seed=0))
    assert are_sampled(words, sample=100) and len(found) == len(set(found)) == 100 and found[0] == tuple(words)
    assert all(sorted(ordering) == sorted(words) for ordering in found)
    assert list(orderings(words, sample=100, seed=0)) == found != list(orderings(words, sample=100, seed=1))
    few = ["a"] * 7 + ["b"]  # eight words, eight orderings: all of them
    assert not are_sampled(few, sample=8) and len(list(orderings(few, sample=8, seed=0))) == 8


def test_orderings_of_many_words_come_one_by_one():
    assert list(orderings(["a"] * 3000, sample=10, seed=0)) == [("a",) * 3000]
    assert len(list(islice(orderings([str(i) for i in range(3000)], sample=1000, seed=0), 3))) == 3


@given(st.lists(st.lists(st.text("ab \\", max_size=3), min_size=1, max_size=3), min_size=1, max_size=3))
def test_fillings_are_all_combinations(choices):
    def protected(text):
        return text.replace("\\", "\\\\")

    template = "x".join("[" + "|".join(map(protected, choice)) + "]" for choice in choices)
    assert fillings(template) == ["x".join(chosen) for chosen in product(*choices)]


def test_fillings_by_example():
    assert fillings("My [a|b] is [c|]") == ["My a is c", "My a is ", "My b is c", "My b is "]
    assert fillings(r"\[a\] [b|c\|d] \\ e|f \g") == [r"[a] b \ e|f \g", r"[a] c|d \ e|f \g"]


@pytest.mark.parametrize(
    "template, what",
    [("no choice", "no choice"), ("a [b", "unclosed"), ("a b]", "character 4"), ("a [[b]", "character 4"),
     ("[a|b]" * 17, "combinations")],
)  # fmt: skip
def test_fillings_that_are_none(template, what):
    with pytest.raises(InputError, match=what):
        fillings(template)


# --- the bootstrap ----------------------------------------------------------------------------------------------------


def test_the_interval_holds_the_difference():
    rng = np.random.default_rng(1)
    size = rng.integers(5, 50, 2000).astype(float)
    first = rng.normal(2, 1, 2000) * size
    pair = PairedBootstrap()
    for part in np.array_split(np.arange(2000), 7):
        second = first[part] - 0.5 * size[part] + rng.normal(0, 1, len(part))
        pair.add(first[part], size[part], second, size[part])
    mean, low, high = pair.interval()
    assert low < mean < high and mean == pytest.approx(0.5, abs=0.01) and high - low < 0.02
    assert pair.interval() == (mean, low, high) != pair.interval(seed=1)


def test_one_model_against_itself_and_nothing_at_all():
    pair = PairedBootstrap()
    assert pair.interval().mean == 0 and math.isnan(pair.interval().low)
    pair.add(np.ones(3), np.ones(3), np.ones(3), np.ones(3))
    assert tuple(pair.interval()) == (0, 0, 0)


def test_many_sentences_are_joined_and_none_is_lost():
    pair, total = PairedBootstrap(), 0.0
    for part in range(5):
        first = np.arange(40_001, dtype=float) + part
        pair.add(first, np.ones(40_001), np.zeros(40_001), np.ones(40_001))
        total += first.sum()
    assert pair._columns.shape[1] <= _UNITS
    assert pair.interval(resamples=20).mean == pytest.approx(total / (5 * 40_001))


def test_the_signature(opened):
    assert of_language_model(opened, base="2") == (
        f"lm:ngram|tok:words-37#{opened.tokenizer.fingerprint[:4]}|unit:line|bos:y|eos:y|base:2|prec:fp32|v:{__version__}"
    )


def test_each_model_has_sizes_of_its_own():
    pair = PairedBootstrap()
    pair.add(np.array([3.0, 5.0]), np.array([2, 2]), np.array([3.0, 5.0]), np.array([4, 4]))
    mean, low, high = pair.interval()
    assert (mean, low, high) == (
        2 - 1,
        1.5 - 0.75,
        2.5 - 1.25,
    )  # the four samples: both records, and each of them twice


@pytest.mark.parametrize("second", [[1.0], [1.0, math.inf]])
def test_one_record_or_an_infinite_one_has_no_interval(second):
    pair, size = PairedBootstrap(), np.full(len(second), 4)
    pair.add(np.full(len(second), 3.0), size, np.array(second), size)
    assert all(map(math.isnan, pair.interval()[1:])) and (len(second) > 1 or pair.interval().mean == 0.5)
