"""What cannot be held or saved is said before the first step: exit 5, one line with its cure, nothing left behind."""

import os
import shutil
from types import SimpleNamespace

import pytest

from seqcli.system import memory


def arguments(corpus, *more):
    tiny = (
        "--arch",
        "gru",
        "--preset",
        "tiny",
        "--steps",
        "2",
        "--batch-tokens",
        "64",
        "--device",
        "cpu",
        "--threads",
        "1",
    )
    return ("train", "lm", corpus, "-o", "m", "-q", *tiny, *more)


@pytest.mark.parametrize("more, said", [
    ((), "not enough memory: weights, gradients, optimizer and logits need 1.7 MB, but 1.0 MB is free; use a smaller"),
    (("--set", "optimizer=sgd"), None),
])  # fmt: skip
def test_5_memory(here, corpus, tmp_path, monkeypatch, more, said):
    monkeypatch.setattr(memory, "available", lambda: 1_000_000)
    done = here(*arguments(corpus, *more))
    if said is None:  # which remembers nothing
        assert done.code == 0, done.err
    else:
        assert done.code == 5 and done.err.count("\n") == 1 and said in done.err and os.listdir(tmp_path) == []


def test_5_a_network_beyond_all_machines_is_not_even_begun(here, corpus, tmp_path):
    done = here(*arguments(corpus, "--set", "width=65536", "--set", "layers=64"))
    assert done.code == 5 and "not enough memory" in done.err and os.listdir(tmp_path) == []


def test_5_disk(here, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    done = here(*arguments(corpus))
    assert (
        done.code == 5
        and done.err.count("\n") == 1
        and "not enough disk" in done.err
        and "is free; free some" in done.err
    )
    assert os.listdir(tmp_path) == []
    assert here(*arguments(corpus, "--set", "width=16")).code == 0


def test_a_container_has_less_than_its_machine(tmp_path, monkeypatch):
    assert memory.available() > 1 << 20 and memory.resident() > 1 << 20
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() > 1 << 20
    limit = memory.resident() + (1 << 20)
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert memory.available() <= 1 << 20
