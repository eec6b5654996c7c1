"""What training shows when it is asked to: curves, and events for TensorBoard; what is missing is said before any work."""

import importlib.util
import os

import pytest

from seqcli.training import recorder

TINY = (
    "--arch",
    "gru",
    "--preset",
    "tiny",
    "--steps",
    "4",
    "--batch-tokens",
    "64",
    "--device",
    "cpu",
    "--threads",
    "1",
)


def test_plot(here, corpus):
    done = here("train", "lm", corpus, "-o", "m", *TINY, "--plot")
    assert (
        done.code == 0
        and "●" in done.err
        and done.out == ""
        and "fewer than the 100 of its warm-up" in done.err.splitlines()[-1]
    )


@pytest.mark.parametrize("option", [("--plot",), ("--tensorboard",), ("--plot-output", "a.png")])
def test_2_what_is_counted_has_no_course(here, corpus, tmp_path, option):
    done = here("train", "lm", corpus, "-o", "m", *option)
    assert done.code == 2 and f"{option[0]} has no effect with --arch ngram" in done.err and os.listdir(tmp_path) == []


def test_2_tensorboard_is_missing(here, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "find_spec", lambda name: None)
    done = here("train", "lm", corpus, "-o", "m", *TINY, "--tensorboard")
    assert done.code == 2 and done.err.count("\n") == 1 and "pip install 'seqcli[tensorboard]'" in done.err
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="an extra")
def test_tensorboard(here, corpus, tmp_path):
    assert here("train", "lm", corpus, "-o", "m", *TINY, "--tensorboard").code == 0
    assert len(list((tmp_path / "m/tensorboard").glob("*/events*"))) == 1
