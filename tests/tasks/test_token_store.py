"""Arrays that wait on disk come back as they went."""

import os

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcli.tasks.language.data import Spool, TokenStore

ARRAYS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=6)


@given(ARRAYS)
def test_tokens_come_back_as_one_array(tmp_path_factory, rows):
    store = TokenStore(tmp_path_factory.getbasetemp())
    for row in rows:
        store.append(np.array(row, np.int32))
    array = store.array()
    assert array.dtype == np.int32 and array.tolist() == [token for row in rows for token in row]


@given(ARRAYS)
def test_groups_come_back_in_order(tmp_path_factory, rows):
    spool = Spool(tmp_path_factory.getbasetemp())
    for row in rows:
        spool.add(np.array(row, np.uint64), np.array([len(row)]))
    assert [(a.tolist(), a.dtype, b.tolist()) for a, b in spool] == [(row, np.uint64, [len(row)]) for row in rows]


def test_nothing_is_left_in_the_folder(tmp_path):
    store, spool = TokenStore(tmp_path), Spool(tmp_path)
    store.append(np.arange(5, dtype=np.int32))
    spool.add(np.arange(5))
    assert store.array().sum() == 10 and os.listdir(tmp_path) == []
