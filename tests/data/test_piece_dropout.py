"""A piece that is dropped is read as the others that spell it: the text stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.piece_dropout import PieceDropout

VOCABULARY = ["<unk>", "<s>", "</s>", "<0x41>", "s", "t", "u", "d", "y", "stud", "study", "ing", "studying"]


def test_the_fewest_others_with_the_longest_beginning():
    dropped = PieceDropout(VOCABULARY, 1.0)
    spelled = {
        piece: [VOCABULARY[i] for i in dropped(np.array([id], np.int32), np.random.default_rng(0))]
        for id, piece in enumerate(VOCABULARY)
    }
    assert spelled["studying"] == ["study", "ing"] and spelled["study"] == ["stud", "y"]
    assert spelled["stud"] == ["s", "t", "u", "d"]
    for piece in ("<unk>", "</s>", "<0x41>", "s", "ing"):
        assert spelled[piece] == [piece]


@given(st.lists(st.integers(0, len(VOCABULARY) - 1), max_size=40), st.floats(0, 1), st.integers(0, 9))
def test_the_text_stays(ids, share, seed):
    tokens = np.array(ids, np.int32)
    dropped = PieceDropout(VOCABULARY, share)
    found = dropped(tokens, np.random.default_rng(seed))
    assert "".join(VOCABULARY[i] for i in found) == "".join(VOCABULARY[i] for i in tokens)
    assert (found == dropped(tokens, np.random.default_rng(seed))).all()
    if share == 0:
        assert (found == tokens).all()


def test_where_nothing_can_be_spelled_all_stays():
    tokens = np.array([3, 4, 2], np.int32)
    assert PieceDropout(["<unk>", "<s>", "</s>", "one", "two"], 1.0)(tokens, np.random.default_rng(0)).tolist() == [
        3,
        4,
        2,
    ]
