"""Bags of features against a hasher written with Python's integers and one line at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.bag.features import Features
from seqcli.tokenizers.words import hashes

LETTERS = st.sampled_from([*"aB<>s/ 가나힣é\u3000😀\t\0\r", "\u0130", "\u2028"])
LINES = st.lists(st.text(LETTERS, max_size=12), max_size=6)
BLANKS = " \t\v\f\r\0\n"
M32, M64 = (1 << 32) - 1, (1 << 64) - 1


def block(lines) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def slow_characters(gram: str, bits: int) -> int:
    h = 0
    for character in gram:
        code = ord(" " if character in BLANKS else character)
        h = (h ^ (code * 0x9E3779B1 & M32)) * 0x85EBCA6B & M32
        h ^= h >> 15
    return (h * 0xC2B2AE35 & M32) >> (32 - bits)


def slow_words(gram: list[str], bits: int) -> int:
    h = 0
    for word in gram:
        data = np.frombuffer(word.encode() + bytes(8), np.uint8)
        h = (h ^ int(hashes(data, np.array([0]), np.array([len(word.encode())]))[0])) * 0x9E3779B97F4A7C15 & M64
        h ^= h >> 29
    return (h * 0xBF58476D1CE4E5B9 & M64) >> (64 - bits)


def slow(line: str, features: Features) -> list[int]:
    if features.lower:
        line = line.lower()
    between = f"\n{line}\n" if line else ""
    found = [
        slow_characters(between[at : at + n], features.bits)
        for at in range(len(between) - 1)
        for n in range(features.shortest, features.longest + 1)
        if at + n <= len(between)
    ]
    for blank in BLANKS:
        line = line.replace(blank, " ")
    words = [word for word in line.split(" ") if word and word not in ("<s>", "</s>", "<unk>")]
    found += [
        slow_words(words[at : at + n], features.bits)
        for at in range(len(words))
        for n in range(1, features.words + 1)
        if at + n <= len(words)
    ]
    return found


@settings(deadline=None)
@given(LINES, st.integers(8, 28), st.integers(1, 3), st.integers(-1, 3), st.integers(0, 4), st.booleans())
def test_bags_are_those_of_the_slow_hasher(lines, bits, shortest, more, words, lower):
    longest = shortest + more if more >= 0 else 0
    features = Features(bits=bits, shortest=shortest if longest else 1, longest=longest, words=words, lower=lower)
    batch = features.encode(block(lines))
    expected = [slow(line, features) for line in lines]
    assert batch.lengths.tolist() == [len(row) for row in expected]
    assert batch.tokens.tolist() == [id for row in expected for id in row]
    assert (batch.tokens.dtype, batch.lengths.dtype) == (np.int32, np.int64)


DEFAULT = Features(bits=20, shortest=2, longest=4, words=2, lower=True)


def test_the_example_of_the_docstring():
    batch = Features(bits=20, shortest=2, longest=2, words=0, lower=True).encode(b"a b\n")
    assert batch.tokens.tolist() == [slow_characters(gram, 20) for gram in (" a", "a ", " b", "b ")]


def test_an_empty_line_has_no_features_and_a_word_has_some():
    assert DEFAULT.encode(b"\na\n\n").lengths.tolist() == [0, 4, 0]  # " a", "a ", " a " and the word
    assert DEFAULT.encode(b"").lengths.tolist() == []


@pytest.mark.parametrize("lower", [True, False])
def test_case_counts_only_where_it_is_kept(lower):
    features = Features(bits=20, shortest=2, longest=4, words=2, lower=lower)
    large, small = (features.encode(text.encode()).tokens.tolist() for text in ("Écran A\n", "écran a\n"))
    assert (large == small) == lower
