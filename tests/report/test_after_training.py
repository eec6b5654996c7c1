"""The last lines of a training: a sample, then the next command if the model has learned something, else what to change."""

import itertools
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.report import after_training
from seqcli.report.after_training import hardly_learned
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.classification.data import Texts
from seqcli.tasks.classification.evaluate import baseline

NETWORK = ("--preset", "tiny", "--precision", "fp32", "--threads", 1, "--tokenizer", "words", "--set", "width=16")


def network(*, step=500, best_step=500, loss=3.0, unigram=6.0, uniform=9.0, **training):
    training = {"warmup": 100, "steps": 500, **training}
    progress = {"step": step, "best_step": best_step}
    return {
        "progress": progress,
        "training": training,
        "valid": {"loss": loss},
        "baseline": {"unigram": unigram, "uniform": uniform},
    }


@pytest.mark.parametrize(
    "record, says",
    [
        (network(), None),
        (network(step=4), None),  # the held-out loss is the evidence, not the steps
        (network(step=99, best_step=99, loss=5.9), "not clearly below the 6.00 of a unigram model, after 99 steps, fewer than the 100 of its warm-up; train longer: run the same command with --resume and a larger --steps (it was 500)"),
        (network(step=1, minutes=0.5, loss=6.0), "after 1 step, fewer than the 100 of its warm-up; train longer: run the same command with --resume and a larger --minutes (it was 0.5)"),
        ({**network(step=1), "valid": {}}, "has hardly learned: 1 step, fewer than the 100 of its warm-up"),
        ({**network(step=1), "valid": {}, "init": "m"}, None),
        ({**network(step=1, loss=5.9), "init": "m"}, "the 6.00 of a unigram model; train longer"),
        (network(loss=5.8), "5.80 nats per token is not clearly below the 6.00 of a unigram model; train longer"),
        (network(loss=5.6), None),
        (network(loss=5.8, unigram=9.5, uniform=6.0), "the 6.00 of a uniform model"),
        (network(loss=5.8, best_step=100), "the best at step 100 of 500; use more text or a smaller --preset"),
        ({"valid": {"log_prob": -58.0, "tokens": 10}, "baseline": {"unigram": 6.0, "uniform": 9.0}}, "use more text"),
        ({"valid": {"log_prob": None, "tokens": 10}, "baseline": {"unigram": 6.0, "uniform": 9.0}}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_models_that_have_hardly_learned(record, says):
    found = hardly_learned(record)
    assert found is None if says is None else says in found and "\n" not in found


@pytest.mark.parametrize(
    "accuracy, loss, learnt",
    [(0.9, 0.3, True), (0.52, 0.69, False), (0.45, 0.8, False), (0.52, 0.5, True), (0.7, 0.69, True)],
)
def test_a_classifier_beats_the_most_frequent_label_or_its_prior(accuracy, loss, learnt):
    """Of 100 texts, half of the most frequent label: the standard error is 5 %."""
    baseline = {"majority": "x", "accuracy": 0.5, "prior_loss": 0.6931}
    record = {
        "labels": ["x", "y"],
        "valid": {"accuracy": accuracy, "calibrated_loss": loss, "texts": 100},
        "baseline": baseline,
        "data": {"counts": [9, 9]},
    }
    found = hardly_learned(record)
    assert (found is None) == learnt and (learnt or "always predicting 'x' reaches 50.0 %" in found)


@pytest.mark.parametrize(
    "counts, texts, tells",
    [([5, 5], 4, False), ([5, 5], 5, True), ([8, 3], 8, False), ([8, 3], 10, True), ([1] * 50, 1, True)],
)
def test_few_texts_cannot_tell_whether_a_classifier_has_learned(counts, texts, tells):
    """A guess of the most frequent label is right n times with p^n, which must not be more than 5 %."""
    assert tells == ((max(counts) / sum(counts)) ** texts <= 0.05)
    baseline = {"majority": "x", "accuracy": 0.0, "prior_loss": 0.7}
    record = {
        "labels": ["x", "y"],
        "valid": {"accuracy": 0.0, "calibrated_loss": 0.7, "texts": texts},
        "baseline": baseline,
        "data": {"counts": counts},
    }
    assert (hardly_learned(record) is not None) == tells
    early = {**record, "progress": {"step": 3, "best_step": 3}, "training": {"warmup": 9, "steps": 3}}
    assert "3 steps, fewer than the 9 of its warm-up" in hardly_learned(early)
    assert hardly_learned({**early, "valid": {**record["valid"], "accuracy": 1.0}}) is None


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_the_baseline_of_a_classifier_by_definition(learnt, judged):
    texts, held_out = (
        Texts(b"t\n" * len(rows), np.array(rows, np.int32), ["a", "b", "c"]) for rows in (learnt, judged)
    )
    found = baseline(texts, held_out)
    most = max(range(3), key=lambda label: (learnt.count(label), -label))
    losses = [-np.log((learnt.count(label) + 1) / (len(learnt) + 3)) for label in judged]
    assert found["majority"] == "abc"[most] and found["accuracy"] == pytest.approx(judged.count(most) / len(judged))
    assert found["prior_loss"] == pytest.approx(np.mean(losses))


@pytest.fixture
def files(tmp_path):
    lines = [f"{a} {b} {c}" for a in "abcd" for b in "efgh" for c in "ij"]
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "labels.tsv").write_text("text\tlabel\n" + "".join(f"{line}\t{'xy'['j' in line]}\n" for line in lines))
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + "".join(f"{line}\t{line[::-1]}\n" for line in lines))
    return tmp_path


@pytest.mark.parametrize(
    "training, sample",
    [
        (("lm", "text.txt", "--arch", "gru", *NETWORK), "generated sample: "),
        (("classifier", "labels.tsv", "--arch", "gru", *NETWORK), "held-out text: "),
        (("translator", "pairs.tsv", "--arch", "gru", "--metric", "loss", *NETWORK), "held-out sentence: "),
    ],
)
def test_a_training_of_few_steps_ends_with_advice(here, files, training, sample):
    done = here("train", *training, "-o", "m", "--steps", 3)
    assert done.code == 0 and "next:" not in done.err and sample in done.err
    assert (
        "has hardly learned: " in done.err.splitlines()[-1]
        and "3 steps, fewer than the 100 of its warm-up" in done.err.splitlines()[-1]
    )
    shown = json.loads(here("info", "m", "--json").out)["baseline"]
    assert shown == ModelFolder.open(files / "m").config["baseline"] and all(
        isinstance(value, float | str) for value in shown.values()
    )


def test_a_good_training_of_few_steps_ends_with_the_next_command(here, files):
    """Two labels of one word each: a few steps at a high rate tell them apart."""
    (files / "easy.tsv").write_text(
        "text\tlabel\n" + "".join(f"{word} {n}\t{word}\n" for n in range(40) for word in ("good", "bad"))
    )
    done = here(
        "train",
        "classifier",
        "easy.tsv",
        "--arch",
        "gru",
        *NETWORK,
        "--set",
        "warmup=10",
        "--learning-rate",
        0.5,
        "--steps",
        8,
        "-o",
        "m",
    )
    record = ModelFolder.open(files / "m").config
    assert record["valid"]["accuracy"] == 1 and record["valid"]["texts"] == 8
    assert "hardly" not in done.err and "next: seqcli classify" in done.err.splitlines()[-1]


def test_a_sample_takes_no_longer_than_its_time(here, files, monkeypatch):
    """Of a clock that moves a second at each look: as much as came in time is shown of a text, and of a translation nothing."""
    for training, shown in (
        (("lm", "text.txt", "--arch", "gru"), True),
        (("translator", "pairs.tsv", "--arch", "gru", "--metric", "loss"), False),
    ):
        now = itertools.count()
        monkeypatch.setattr(after_training, "time", SimpleNamespace(monotonic=lambda now=now: next(now) * 0.2))
        done = here("train", *training, *NETWORK, "--steps", 2, "-o", training[0])
        assert done.code == 0 and next(now) <= 8
        assert (" generated sample: " in done.err or " held-out sentence: " in done.err) == shown


def test_a_good_training_ends_with_the_next_command(here, files):
    for training in (("lm", "text.txt"), ("classifier", "labels.tsv")):
        done = here("train", *training, "-o", training[0])
        assert (
            done.code == 0
            and "next: seqcli" in done.err.splitlines()[-1]
            and re.search(": (generated sample|held-out text): ", done.err.splitlines()[-2])
        )
        assert "hardly" not in done.err


def test_the_baseline_of_a_network_by_counting(here, files):
    """Held-out text that is the training text, so that its words can be counted by hand."""
    assert (
        here("train", "lm", "text.txt", "--arch", "gru", *NETWORK, "--steps", 1, "-o", "m", "--valid", "text.txt").code
        == 0
    )
    words = [*"".join((files / "text.txt").read_text().split()), *["</s>"] * 32]
    total, size = len(words), 13  # ten words, </s>, <unk>; <s> is never predicted
    losses = [-np.log((words.count(word) + 1) / (total + size - 1)) for word in words]
    baseline = ModelFolder.open(files / "m").config["baseline"]
    assert baseline["unigram"] == pytest.approx(np.mean(losses)) and baseline["uniform"] == pytest.approx(
        np.log(size - 1)
    )


def test_a_sample_that_fails_does_not_fail_the_training(here, files, monkeypatch):
    def broken(*_):
        raise RuntimeError("no sample")

    monkeypatch.setattr(after_training, "sample", broken)
    done = here("train", "lm", "text.txt", "-o", "m")
    assert done.code == 0 and "next: " in done.err and "sample" not in done.err
