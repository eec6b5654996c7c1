"""Translations by a toy: whatever the batch, with blank and endless lines, with the scores that forced decoding gives."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_translator import toy

from seqcli.decoding.sampling import Policy
from seqcli.decoding.source_windows import windows
from seqcli.decoding.translate import TranslationSettings, translate
from seqcli.errors import UsageError
from seqcli.text import EOS_ID
from seqcli.token_batch import TokenBatch

LINES = ["a cat", "", "the dog saw the cat", " \t ", "한 마리", "b", "a cat", "I study machine learning"]
UNSURE = {"certainty": 4.0}
DRAWN = TranslationSettings(num_samples=3, seed=5, policy=Policy(temperature=0.9))


def told(opened, lines, how=TranslationSettings(), **more):  # noqa: B008
    return [
        (t.line, t.source, [(h.text, h.parts) for h in t.hypotheses]) for t in translate(opened, lines, how, **more)
    ]


def test_lines_come_in_order_and_blank_ones_are_not_shown_to_the_model():
    opened = toy()
    texts = [t.best.text for t in translate(opened, LINES, TranslationSettings())]
    assert texts == ["A CAT", "", "THE DOG SAW THE CAT", "", "한 마리", "B", "A CAT", "I STUDY MACHINE LEARNING"]
    assert sorted(opened.model.seen) == sorted(line.encode() for line in LINES if line.strip())
    blank = next(iter(translate(opened, [" "], TranslationSettings(n_best=3))))
    assert (blank.best.text, blank.best.log_prob, blank.best.parts, len(blank.hypotheses)) == ("", 0.0, [], 1)
    assert list(translate(opened, [], TranslationSettings())) == []


@pytest.mark.parametrize("how", [TranslationSettings(beam_size=4, n_best=3), DRAWN], ids=["beam", "drawn"])
def test_a_translation_does_not_depend_on_its_neighbours(how):
    opened = toy(**UNSURE)
    together = told(opened, LINES, how)
    assert together == [row for n, line in enumerate(LINES, 1) for row in told(opened, [line], how, first=n)]
    opened.model.batch_tokens = 30
    assert together == told(opened, LINES, how)
    if how.num_samples is None:  # a draw is of its line's number
        order = random.Random(0).sample(range(len(LINES)), len(LINES))
        assert [row[1:] for row in told(opened, [LINES[k] for k in order], how)] == [together[k][1:] for k in order]


@pytest.mark.parametrize(
    "how",
    [
        TranslationSettings(beam_size=3, n_best=3, length_penalty=0.6), TranslationSettings(beam_size=2, prefix="I was"), DRAWN,
        TranslationSettings(beam_size=2, n_best=2, no_repeat_ngram=1), TranslationSettings(num_samples=2, prefix="한", no_repeat_ngram=2),
    ],
)  # fmt: skip
def test_the_score_is_that_of_forced_decoding(how):
    opened = toy(**UNSURE)
    for translation in translate(opened, LINES, how):
        for h in translation.hypotheses:
            total = score = 0.0
            for source, ids in zip(translation.parts, h.parts, strict=True):
                forced = (
                    opened.model.conditioned_on([source])
                    .score(TokenBatch(np.array(ids, np.int32), np.array([len(ids)])))
                    .log_prob
                )
                total += forced.sum(dtype=np.float64)
                score += forced.sum(dtype=np.float64) / len(ids) ** how.length_penalty
                assert EOS_ID not in ids[:-1]
            assert h.log_prob == pytest.approx(total, abs=1e-5) and h.score == pytest.approx(score, abs=1e-5)
        assert how.num_samples or [h.score for h in translation.hypotheses] == sorted(
            (h.score for h in translation.hypotheses), reverse=True
        )


def test_translation_settings():
    opened = toy()
    assert (
        next(iter(translate(opened, ["a cat"], TranslationSettings(prefix="MY")))).best.text == "MYCAT"
    )  # its letters from the third on
    assert next(iter(translate(opened, ["aaa"], TranslationSettings(no_repeat_ngram=2)))).best.text != "AAA"
    endless = toy(certainty=0.0)
    endless.model.logits = lambda source, prefix: np.where(np.arange(259) == 70, 9.0, 0.0).astype(np.float32)
    (cut,) = translate(endless, ["abcd"], TranslationSettings(max_length_ratio=1.0, beam_size=1))
    assert len(cut.best.parts[0]) == 5 + 10
    greedy, best = (
        told(toy(**UNSURE), LINES, how)
        for how in (TranslationSettings(num_samples=1, policy=Policy(temperature=0)), TranslationSettings(beam_size=1))
    )
    assert greedy == best
    assert told(toy(**UNSURE), LINES, DRAWN) != told(toy(**UNSURE), LINES, TranslationSettings(num_samples=3, seed=6))
    with pytest.raises(UsageError, match="beam size 5 is too small for 6 translations"):
        TranslationSettings(n_best=6)


def test_a_line_of_5000_words_is_translated_in_windows():
    opened = toy(window=256)
    words = [f"w{n % 97}" + "." * (n % 9 == 0) for n in range(5000)]
    translation, other = translate(opened, [" ".join(words), "b"], TranslationSettings(beam_size=2, n_best=2))
    assert translation.best.text.split() == [word.upper() for word in words] and other.best.text == "B"
    assert translation.source == " ".join(words) and len(translation.parts) > 70 and len(translation.hypotheses) == 2
    assert all(
        bytes((tokens[:-1] - 3).tolist()).rstrip().endswith(b".") for tokens in translation.parts[:-1]
    )  # sentences stay whole
    (one,) = translate(opened, ["b" + " " * 1000 + "c"], TranslationSettings(beam_size=1))
    assert one.best.text.split() == ["B", "C"] and len(one.parts) == 2


@settings(deadline=None)
@given(st.text(st.sampled_from("ab .!한é"), max_size=80), st.integers(1, 9))
def test_windows_hold_every_token_that_is_not_blank(text, most):
    opened = toy()
    starts = [piece.start for piece in opened.source.pieces(text)]
    spans = list(windows(text, starts, most=most))
    assert all(0 < end - begin <= most for begin, end in spans)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    kept = {place for begin, end in spans for place in range(begin, end)}
    assert all(text[starts[place]].isspace() for place in range(len(starts)) if place not in kept)


def test_where_a_source_is_cut():
    def cut(text, most):
        return [text[begin:end] for begin, end in windows(text, range(len(text)), most=most)]

    assert cut("One two. Three four five", 14) == ["One two. ", "Three four ", "five"]
    assert cut('He said "no." And left', 16) == ['He said "no." ', "And left"]
    assert cut("abcdefgh", 3) == ["abc", "def", "gh"]
    assert cut("abc def", 5) == ["abc ", "def"]
    assert list(windows("한글", [0, 0, 0, 1, 1, 1], most=4)) == [(0, 3), (3, 6)]  # bytes of a character stay together


def test_the_n_best_of_a_line_in_windows_are_different_texts():
    opened = toy(window=6, **UNSURE)
    (translation,) = translate(opened, ["ab cd ef"], TranslationSettings(beam_size=8, n_best=8))
    texts = [" ".join(h.text.split()) for h in translation.hypotheses]
    assert len(translation.parts) > 1 and len(set(texts)) == len(texts) == 8
    assert [h.score for h in translation.hypotheses] == sorted((h.score for h in translation.hypotheses), reverse=True)


def test_a_translation_that_was_cut_says_so():
    endless = toy(certainty=0.0)
    endless.model.logits = lambda source, prefix: np.where(np.arange(259) == 70, 9.0, 0.0).astype(np.float32)
    cut, blank = translate(endless, ["abcd", ""], TranslationSettings(max_length_ratio=1.0, beam_size=1))
    assert cut.best.finish_reason == "length" and blank.best.finish_reason == "end"
    (whole,) = translate(toy(), ["abcd"], TranslationSettings())
    assert whole.best.finish_reason == "end" and whole.best.parts[0][-1] == EOS_ID


@pytest.mark.parametrize("prefix", ["I was ", " \tI was", "I was\n"])
def test_white_space_around_a_prefix_changes_nothing(prefix):
    opened = toy(**UNSURE)
    assert told(opened, LINES, TranslationSettings(prefix=prefix)) == told(
        opened, LINES, TranslationSettings(prefix="I was")
    )
    assert (
        TranslationSettings(prefix=prefix).how == TranslationSettings(prefix="I was").how
        and TranslationSettings(prefix=" ").how == TranslationSettings().how
    )
