"""fastText's supervised models: read as their format says, damage told in one line before anything is allocated.

What they answer is judged by fastText's own module in tests/parity/test_fasttext.py, and here by arithmetic.
"""

import json

import numpy as np
import pytest
from small_fasttext import LABELS, WORDS, written

import seqcli
from seqcli.errors import ModelError, SeqcliError
from seqcli.interop.fasttext import classifier, file
from seqcli.interop.fasttext.losses import huffman
from seqcli.tasks.classification.load import open_fasttext

INPUT = np.random.default_rng(1).normal(size=(len(WORDS), 4)).astype(np.float32)
OUTPUT = np.random.default_rng(2).normal(size=(len(LABELS), 4)).astype(np.float32)


def mean_of(*rows: int) -> np.ndarray:
    return INPUT[list(rows)].mean(axis=0, dtype=np.float64)


def test_a_line_is_the_mean_of_its_words_and_of_its_end(tmp_path):
    model = seqcli.load(written(tmp_path / "model.bin", input=INPUT, output=OUTPUT))
    assert model.labels == ["positive", "negative", "neutral"]
    lines = {
        "good film": (1, 3, 0),
        "film film unknown": (3, 3, 0),
        "": (0,),
        "bad </s> good": (2, 0),
        "__label__x bad": (2, 0),
    }
    for text, rows in lines.items():
        scores = OUTPUT @ mean_of(*rows)
        expected = np.exp(scores) / np.exp(scores).sum() + 1e-5
        found = {row.label: row.probability for row in model.classify(text).labels}
        assert [found[label] for label in model.labels] == pytest.approx(expected.tolist(), abs=1e-6)


def test_long_lines_and_large_blocks_are_read_in_parts(tmp_path, monkeypatch):
    path = written(tmp_path / "model.bin", bucket=50, minn=2, maxn=3, word_ngrams=3)
    model, names = seqcli.load(path).opened, [f"{word}{k}" for word in WORDS[1:] for k in range(40)]
    lines = "".join(" ".join(names[start::step]) + "\n" for start, step in ((0, 1), (3, 7), (200, 1), (1, 50)))
    whole = model.probabilities(lines.encode())
    monkeypatch.setattr(classifier, "_NUMBERS", 40)
    monkeypatch.setattr(classifier, "_PART", 100)
    np.testing.assert_allclose(model.probabilities(lines.encode()), whole, rtol=1e-5)
    assert len({*whole[:, 0]}) == 4


def test_a_line_of_which_nothing_is_known_has_every_label_alike(tmp_path):
    model = seqcli.load(written(tmp_path / "model.bin", words=["good", "bad"], input=INPUT[:2], output=OUTPUT))
    found = model.classify("nothing of it")
    assert found.label == "positive" and found.probability == pytest.approx(1 / 3, abs=1e-4)


def test_labels_learnt_one_versus_all_have_each_their_own_probability(tmp_path):
    model = seqcli.load(written(tmp_path / "model.bin", loss="ova", input=INPUT, output=OUTPUT * 3))
    scores = 3 * OUTPUT @ mean_of(1, 0)
    steps = np.floor(scores * 32) / 32  # of fastText's table
    found = {row.label: row.probability for row in model.classify("good").labels}
    assert [found[label] for label in model.labels] == pytest.approx(
        (1 / (1 + np.exp(-steps)) + 1e-5).tolist(), abs=1e-5
    )
    assert sum(found.values()) != pytest.approx(1, abs=0.01)
    at_1 = model.opened.at(1.0).probabilities(b"good\n")  # as any other classifier: of exactly one label
    np.testing.assert_allclose(at_1, [np.exp(scores) / np.exp(scores).sum()], rtol=1e-5)


def test_of_labels_on_one_step_the_last_is_named_as_in_fasttext(tmp_path):
    alike = np.array([[1, 0, 0, 0], [1.0001, 0, 0, 0], [0.5, 0, 0, 0]])
    rows = np.tile([4.01, 0, 0, 0], (len(WORDS), 1))
    model = seqcli.load(written(tmp_path / "model.bin", loss="ova", input=rows, output=alike[[1, 0, 2]]))
    assert model.classify("good").label == "negative"
    assert model.evaluate(["good"], ["negative"]).accuracy == 1  # all modes name the same
    assert model.explain("good").label == "negative"


@pytest.mark.parametrize("counts", [[1], [3, 3], [5, 3, 1], [100, 50, 20, 10, 5, 1], [7] * 9])
def test_the_tree_of_labels_is_a_huffman_tree(counts):
    """The sum of count x depth is the least that there is: merging the two rarest, again and again."""
    left, right = huffman(counts)
    depth = {2 * len(counts) - 2: 0}
    for node in range(len(left) - 1, -1, -1):
        depth[int(left[node])] = depth[int(right[node])] = depth[node + len(counts)] + 1
    weights, least = sorted(counts), 0
    while len(weights) > 1:
        merged = weights[0] + weights[1]
        least += merged
        weights = sorted([merged, *weights[2:]])
    assert sum(count * depth[k] for k, count in enumerate(counts)) == least


LIES = {
    "no such version": ({"version": 99}, "format 99"),
    "more words than bytes": ({"entries": 2**31 - 1, "claimed_words": 2**31 - 4}, "does not add up"),
    "words and labels": ({"claimed_words": 3}, "does not add up"),
    "negative words": ({"entries": 2, "claimed_words": -1}, "does not add up"),
    "more rows than bytes": ({"rows": 2**40}, "claims"),
    "rows beyond counting": ({"rows": 2**63 - 1}, "claims"),
    "fewer rows than words": ({"rows": 2}, "rows"),
    "another width": ({"columns": 5}, "columns"),
    "no width": ({"dim": 0, "columns": 0}, "claims"),
    "buckets that are not there": ({"bucket": 10, "word_ngrams": 2, "rows": 5}, "buckets"),
    "n-grams without buckets": ({"minn": 2, "maxn": 4}, "buckets"),
    "n-grams of no length": ({"minn": 4, "maxn": 2, "bucket": 10}, "n-grams"),
    "n-grams of any length": ({"word_ngrams": 2**30, "bucket": 10}, "n-grams"),
    "a loss of the future": ({"loss": 9}, "loss 9"),
    "other labels": ({"outputs": 2}, "labels"),
    "counts that are none": ({"loss": "hs", "counts": (5, -3, 1)}, "counts"),
    "pruned beyond the file": ({"pruned": {1: 0}, "bucket": 9, "maxn": 2, "quantised": True, "rows": 5}, "rows"),
    "pruned rows that are not there": ({"pruned": {1: 7}, "bucket": 9, "maxn": 2, "quantised": True}, "rows"),
    "pruned buckets that are not there": ({"pruned": {11: 0}, "bucket": 9, "maxn": 2, "quantised": True}, "buckets"),
    "more codes than bytes": ({"quantised": True, "codes": 2**31 - 1}, "bytes"),
    "codes of other rows": ({"quantised": True, "rows": 4}, "codes"),
    "a quantiser of another width": ({"quantised": True, "width": 3}, "quantiser"),
    "NaN in the output matrix": ({"output": np.full((3, 4), np.nan)}, "NaN"),
}  # fmt: skip


@pytest.mark.parametrize("lie, told", LIES.values(), ids=LIES)
def test_4_a_file_that_lies_about_itself(here, tmp_path, lie, told):
    path = written(tmp_path / "model.bin", **lie)
    done = here("classify", "-m", path, "good")
    assert done.code == 4 and told in done.err and done.err.count("\n") == 1 and done.out == "", done.err


def test_4_vectors_that_are_no_numbers(here, tmp_path):
    done = here("classify", "-m", written(tmp_path / "model.bin", input=INPUT * np.nan), "good")
    assert done.code == 4 and "NaN" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("quantised", [False, True])
def test_4_a_file_cut_anywhere_or_with_any_byte_changed(tmp_path, quantised):
    """An error of ours, or an answer: never another exception."""
    path = written(
        tmp_path / "model.bin", loss="hs", bucket=7, minn=2, maxn=3, word_ngrams=2, quantised=quantised,
        pruned={3: 0, 5: 1} if quantised else None,
    )  # fmt: skip
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    assert seqcli.load(path).classify("good film").label
    ends = {*range(64, len(whole) - 1, 61), *range(8, 300, 5)}
    for end in sorted(ends):
        path.write_bytes(whole[:end])
        if end < len(whole) - 1:
            with pytest.raises(ModelError, match=r"truncated|\d (bytes|entries)") as cut:
                open_fasttext(str(path), name="cut")
            assert "unpack" not in str(cut.value) and "buffer" not in str(cut.value)
    head = len(whole) - (9000 if quantised else 100)
    for at in [*range(8, min(head, 300)), *rng.integers(8, len(whole), 60)]:
        changed = bytearray(whole)
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            opened, _ = open_fasttext(str(path), name="changed")
            assert opened.probabilities(b"good film\n").shape[0] == 1
        except SeqcliError as error:
            assert error.exit_code in (4, 5)


def test_a_supervised_model_still_has_its_word_vectors(tmp_path, here):
    path = written(tmp_path / "model.bin", input=INPUT)
    done = here("embed", "-m", path, "good", "--json")
    assert done.code == 0 and np.allclose(json.loads(done.out)["vector"], INPUT[1])
    assert file.read(str(path), output=False).words == [word.encode() for word in WORDS]
