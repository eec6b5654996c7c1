"""The bag classifier: from lines to a saved model and back."""

from dataclasses import asdict

import numpy as np
import pytest

from seqcli import catalog
from seqcli.errors import InputError, ModelError
from seqcli.files import tensor_file
from seqcli.interfaces import SILENT
from seqcli.models import bag_classifier
from seqcli.models.bag_classifier import Config, encoder, estimate, features_label, load, plan_for
from seqcli.system.workers import ordered_map
from seqcli.token_batch import TokenBatch

CONFIG = Config(buckets=1 << 12, epochs=5)
GOOD = ["a fine film", "정말 좋은 영화", "what a joy 😀", "so good"]
BAD = ["a dull film", "정말 지루한 영화", "what a bore", "so bad"]


def encoded(texts, config=CONFIG) -> TokenBatch:
    return encoder(asdict(config))("".join(text + "\n" for text in texts).encode())


def trained(config=CONFIG, **about):
    targets = np.array([1] * len(GOOD) + [0] * len(BAD), np.int32)
    return estimate(encoded(GOOD + BAD, config), targets, config, **{"labels": 2, "reporter": SILENT, **about})


def test_it_tells_good_from_bad():
    made = trained()
    model = load(asdict(CONFIG), made.tensors, labels=2)
    logits = model.classify(encoded(["a joy", "지루한", "it is good", "bad"]))
    assert logits.dtype == np.float32 and logits.argmax(axis=1).tolist() == [1, 0, 1, 0]
    assert made.record["features"] == len(encoded(GOOD + BAD).tokens) >= made.record["buckets_used"] > 0
    assert made.record["epochs"] == 5


def test_an_empty_line_has_the_prior():
    logits = load(asdict(CONFIG), trained(weights=np.array([3.0, 1.0])).tensors, labels=2).classify(encoded([""]))[0]
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), [0.75, 0.25], atol=1e-3)


def test_what_is_saved_comes_back(tmp_path):
    made = trained()
    tensor_file.write(tmp_path / "model", {name: tensor_file.tensor(array) for name, array in made.tensors.items()})
    read = tensor_file.read(tmp_path / "model")
    assert all(np.array_equal(read[name], array) for name, array in made.tensors.items())
    batch = encoded(GOOD + BAD)
    one, other = (load(asdict(CONFIG), tensors, labels=2).classify(batch) for tensors in (made.tensors, read))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_and_processes_change_nothing(workers):
    blocks = ["".join(text + "\n" for text in texts).encode() for texts in (GOOD[:1], GOOD[1:], BAD[:3], BAD[3:])]
    parts = list(ordered_map(encoder(asdict(CONFIG)), blocks, workers=workers))
    whole = encoded(GOOD + BAD)
    assert np.array_equal(np.concatenate([part.tokens for part in parts]), whole.tokens)
    assert np.array_equal(np.concatenate([part.lengths for part in parts]), whole.lengths)


def test_more_labels_than_have_numbers_of_their_own():
    config = Config(buckets=1 << 10, width=8, epochs=40)
    texts = [f"{a}{b}{a} {b}" for a in "abcde" for b in "vwxyz"]
    batch = encoded(texts, config)
    made = estimate(batch, np.arange(25), config, labels=25, reporter=SILENT)
    assert made.tensors["embeddings"].shape == (1 << 10, 8) and made.tensors["head"].shape == (8, 25)
    assert (load(asdict(config), made.tensors, labels=25).classify(batch).argmax(axis=1) == np.arange(25)).mean() > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {"buckets": 1000}, {"buckets": 0}, {"buckets": 1 << 29}, {"shortest": 0}, {"shortest": 5}, {"longest": 11},
        {"longest": -1}, {"words": -1}, {"words": 11}, {"longest": 0, "words": 0}, {"width": 0}, {"epochs": -1},
        {"batch_rows": -1}, {"seed": -1}, {"learning_rate": 0.0}, {"learning_rate": float("nan")},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant(settings):
    with pytest.raises(ValueError):
        Config(**settings)


@pytest.mark.parametrize("name", ["embeddings", "head", "bias"])
def test_a_damaged_model_is_refused(name):
    tensors = trained().tensors
    for wrong in (None, tensors[name][:-1], tensors[name].astype(np.float64)):
        damaged = {key: array for key, array in {**tensors, name: wrong}.items() if array is not None}
        with pytest.raises(ModelError, match=name):
            load(asdict(CONFIG), damaged, labels=2)


def test_nothing_to_learn_from():
    with pytest.raises(InputError, match="no text"):
        estimate(encoded(["", ""]), np.array([0, 1]), CONFIG, labels=2, reporter=SILENT)


def test_fewer_texts_are_read_more_often():
    epochs = [plan_for(Config(), rows).epochs for rows in (1, 5_000, 60_000, 140_000, 10_000_000)]
    assert epochs == [20, 20, 7, 3, 2]
    assert plan_for(Config(epochs=9, batch_rows=4), 10).rows == 4


def test_what_it_reads_has_a_name():
    assert features_label(Config()) == "char2-4+word1-2/2^21/lower"
    assert features_label(Config(longest=0, lowercase=False)) == "word1-2/2^21"


def test_presets_are_settings():
    module, presets = catalog.presets("classification", "bag")
    assert module == bag_classifier.__name__.rpartition(".")[2]
    assert [Config(**values).buckets for values in presets.values()] == [1 << 18, 1 << 21]
