"""Pieces of bytes gathered and woven, against the loop that says what is meant."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcli.ragged import gather, weave

PIECES = st.lists(st.binary(max_size=5), max_size=8)


def packed(pieces: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    return np.frombuffer(b"".join(pieces), np.uint8), np.cumsum(lengths) - lengths, lengths


@given(PIECES, st.data())
def test_gather(pieces, data):
    buffer, starts, lengths = packed(pieces)
    chosen = data.draw(st.lists(st.integers(0, len(pieces) - 1))) if pieces else []
    index = np.array(chosen, np.int64)
    assert gather(buffer, starts[index], lengths[index]).tobytes() == b"".join(pieces[i] for i in chosen)


@given(
    st.integers(0, 6).flatmap(
        lambda n: st.lists(st.lists(st.binary(max_size=4), min_size=n, max_size=n), min_size=1, max_size=4)
    )
)
def test_weave(columns):
    assert weave([packed(column) for column in columns]) == b"".join(map(b"".join, zip(*columns)))


def test_weave_with_a_separator():
    tab = np.array([9], np.uint8), np.zeros(2, np.int64), np.ones(2, np.int64)
    assert weave([packed([b"a", b""]), tab, packed([b"xy", b"z"])]) == b"a\txy\tz"
