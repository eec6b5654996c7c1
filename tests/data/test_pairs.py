"""data/pairs and the batches of pairs: every pair once an epoch, nothing of one side beside another's."""

import gzip
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.batches import Pairs as Batches
from seqcli.data.pairs import read_lines, read_tables
from seqcli.errors import InputError, UsageError
from seqcli.text import BOS_ID, PAD
from seqcli.token_batch import TokenBatch

ROWS = [("good morning", "좋은 아침"), ("a\u0301 b", "나"), ("", "빈 줄"), ("thank you", " "), ("good night", "잘 자")]
KEPT = "good morning\na\u0301 b\ngood night\n".encode()


def written(path, kind):
    if kind == "tsv":
        text = "source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in ROWS)
    elif kind == "csv":
        text = "id,target,source\n" + "".join(f'{n},"{b}","{a}"\n' for n, (a, b) in enumerate(ROWS))
    else:
        text = "".join(json.dumps({"source": a, "target": b}) + "\n" for a, b in ROWS)
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl"])
def test_tables_of_all_kinds_give_the_same_pairs(tmp_path, kind):
    pairs = read_tables([written(tmp_path / f"pairs.{kind}", kind)])
    assert pairs.source.data == KEPT and len(pairs) == len(pairs.target) == 3 and pairs.blank == 2


def test_memory_follows_the_text_not_the_number_of_pairs(tmp_path):
    """Twice the text, while its parts are joined, and a block of the file as strings."""
    sides = [f"text {n}" for n in range(150_000)], [f"der {n}. Text" for n in range(150_000)]
    table = "source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in zip(*sides))
    (tmp_path / "pairs.tsv").write_text(table)
    tracemalloc.start()
    try:
        pairs = read_tables([str(tmp_path / "pairs.tsv")])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [side.data.decode().split("\n")[:-1] for side in (pairs.source, pairs.target)] == list(sides)
    assert peak < 2 * len(table) + 25e6


def test_files_of_lines_are_paired_line_by_line(tmp_path):
    (tmp_path / "a.txt").write_text("".join(a + "\n" for a, _ in ROWS))
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("".join(b + "\n" for _, b in ROWS))
    pairs = read_lines(str(tmp_path / "a.txt"), str(tmp_path / "b.txt.gz"))
    assert pairs.source.data == KEPT and pairs.blank == 2
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour\nfive\nsix\nseven\n")
    with pytest.raises(InputError, match="7 and 5 lines"):
        read_lines(str(tmp_path / "a.txt"), str(tmp_path / "b.txt.gz"))
    with pytest.raises(InputError, match="5 and 7 lines"):
        read_lines(str(tmp_path / "b.txt.gz"), str(tmp_path / "a.txt"))


def test_a_column_is_one_side_only(tmp_path):
    (tmp_path / "p.tsv").write_text("source\ttarget\na\tb\n")
    with pytest.raises(UsageError, match="no target column chosen"):
        read_tables([str(tmp_path / "p.tsv")], source_column="target")
    with pytest.raises(UsageError, match="cannot be both source and target"):
        read_tables([str(tmp_path / "p.tsv")], source_column="target", target_column="target")
    turned = read_tables([str(tmp_path / "p.tsv")], source_column="target", target_column="source")
    assert (turned.source.data, turned.target.data) == (b"b\n", b"a\n")
    (tmp_path / "blank.tsv").write_text("source\ttarget\na\tb\n\tc\nd\te\n")
    pairs = read_tables([str(tmp_path / "blank.tsv")])
    assert pairs.only(np.array([True, False])).blank == pairs.blank == 1


def test_what_cannot_be_pairs_is_refused(tmp_path):
    with pytest.raises(UsageError, match="two columns"):
        (tmp_path / "a.txt").write_text("one\n")
        read_tables([str(tmp_path / "a.txt")])
    with pytest.raises(UsageError, match="no target column chosen"):
        (tmp_path / "a.tsv").write_text("source\tkorean\none\t하나\n")
        read_tables([str(tmp_path / "a.tsv")])
    with pytest.raises(InputError, match="no pairs: one side of 1 is blank"):
        (tmp_path / "a.tsv").write_text("source\ttarget\none\t\n")
        read_tables([str(tmp_path / "a.tsv")])


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=40), st.integers(8, 200))
def test_every_pair_once_an_epoch_within_the_budget(sizes, budget):
    sides = [TokenBatch(np.concatenate([np.full(pair[side], 3 + n) for n, pair in enumerate(sizes)]).astype(np.int32),
                        np.array([pair[side] for pair in sizes])) for side in (0, 1)]  # fmt: skip
    batches, seen = Batches(*sides, batch_tokens=budget, seed=1), []
    for index in range(batches.length(0)):
        source, target, carries, *_ = batches.get(0, index)
        assert not carries and (target[:, 0] == BOS_ID).all()
        assert len(source) == 1 or max(source.size, target.size) <= budget
        for a, b in zip(source, target):
            assert {*a} - {PAD} == {*b[1:]} - {PAD}  # both of the same pair
            number = int(a[0]) - 3
            assert ((a != PAD).sum(), (b != PAD).sum() - 1) == sizes[number]
            seen.append(number)
    assert sorted(seen) == list(range(len(sizes)))
