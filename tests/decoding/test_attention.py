"""AttentionMap of finished translations: pieces stand where they are printed, windows side by side, words are aligned."""

import numpy as np
import pytest
from toy_translator import toy

from seqcli.decoding.attention import AttentionMap, attentions
from seqcli.decoding.translate import TranslationSettings, translate
from seqcli.interfaces import Piece


def maps(opened, *lines):
    return attentions(opened, list(translate(opened, lines, TranslationSettings(beam_size=2))))


def test_pieces_and_rows_belong_together():
    both = maps(toy(), "a cat 한", "", "b")
    assert [each.target_text for each in both] == ["A CAT 한", "", "B"]
    for each in both:
        assert each.weights.shape == (len(each.target), len(each.source))
        np.testing.assert_allclose(each.weights.sum(axis=1), 1, rtol=1e-5)
    first, blank, _ = both
    assert [piece.text for piece in first.target][:3] == ["A", "<0x20>", "C"] and first.target[-1].text == "</s>"
    assert [(piece.start, piece.end) for piece in first.target][:3] == [(0, 1), (1, 2), (2, 3)]
    assert [piece.start for piece in first.target] == [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        6,
        6,
        7,
    ]  # bytes of 한 begin where it begins
    assert blank.weights.shape == (0, 0) and blank.alignment() == []


def test_words_look_at_words():
    (one,) = maps(toy(), " the cat  saw 한글 me")
    assert one.alignment() == [(k, k) for k in range(5)]
    pieces = [
        len(word.encode()) for word in (" the", " cat", "  saw", " 한글", " me")
    ]  # blanks go with the word that follows
    np.testing.assert_allclose(one.of_words().sum(axis=1), pieces, atol=0.05)
    assert one.of_words().shape == (5, 5)


def test_windows_do_not_look_at_each_other():
    opened = toy(window=8)
    (one,) = maps(opened, "abc def ghi jkl")
    assert one.target_text == "ABC DEF GHI JKL" and one.alignment() == [(k, k) for k in range(4)]
    assert sum(piece.text == "</s>" for piece in one.source) > 1
    assert [one.target_text[p.start : p.end] for p in one.target if p.text != "</s>" and p.text != "<0x20>"] == list(
        "ABCDEFGHIJKL"
    )
    np.testing.assert_allclose(one.weights.sum(axis=1), 1, rtol=1e-5)


def test_alignment_is_the_word_with_the_most_attention():
    source = [Piece("▁the", 5, 0, 3), Piece("▁c", 6, 3, 5), Piece("at", 7, 5, 7), Piece("</s>", 2, 7, 7)]
    target = [Piece("고양이", 8, 0, 3), Piece("</s>", 2, 3, 3)]
    weights = np.array([[0.4, 0.3, 0.2, 0.1], [0, 0, 0, 1]], np.float32)
    one = AttentionMap("the cat", "고양이", source, target, weights)
    assert one.of_words() == pytest.approx(np.array([[0.4, 0.5]])) and one.alignment() == [(1, 0)]
