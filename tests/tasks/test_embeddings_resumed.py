"""A training of embeddings that was killed or interrupted, and goes on."""

import os
import signal

import pytest

import seqcli as api
import seqcli.tasks.embeddings.train as training
from seqcli.errors import UsageError
from seqcli.models import glove, word2vec
from seqcli.runs.model_folder import ModelFolder


class Killed(BaseException):
    pass


@pytest.fixture
def train(corpus, tmp_path, monkeypatch):
    """Of many small parts, each followed by a checkpoint."""
    monkeypatch.setattr(word2vec, "_PART", 30)
    monkeypatch.setattr(glove, "_PART", 10)
    monkeypatch.setattr(training, "_SAVE_EVERY", 0.0)

    def run(name, arch="skipgram", **options):
        given = {"arch": arch, "epochs": 3, "dim": 8, "min_count": 1, "threads": 1, **options}
        api.train_embeddings(corpus, tmp_path / name, **given)
        return tmp_path / name

    return run


def calls_after(patched, parts, call=None):
    """The parts that are done, in order; call(): when so many are done, before they are saved."""
    keep, done = training.Checkpoints.keep, []

    def kept(self, tables, progress):
        done.append(progress.parts)
        if len(done) == parts and call:
            call()
        return keep(self, tables, progress)

    patched.setattr(training.Checkpoints, "keep", kept)
    return done


def kill():
    raise Killed


def found(path):
    run = ModelFolder.open(path)
    record = {key: value for key, value in run.config.items() if key not in ("seconds", "words_per_second")}
    return {name: array.tobytes() for name, array in run.tensors(whole=True).items()}, record


@pytest.mark.parametrize("arch", ["skipgram", "cbow", "glove"])
def test_a_killed_training_goes_on_to_the_same_model(train, monkeypatch, arch):
    expected = found(train("whole", arch))
    with monkeypatch.context() as patched, pytest.raises(Killed):
        calls_after(patched, 5, kill)
        train("killed", arch)
    with monkeypatch.context() as patched:
        done = calls_after(patched, 0)
        path = train("killed", arch, resume=True)
    assert done[0] == 5 and len(done) > 1
    assert found(path) == expected
    assert not (path / "checkpoints").exists()


def test_an_interrupted_training_is_saved_first(train, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        monkeypatch.setattr(training, "_SAVE_EVERY", 1e9)
        calls_after(patched, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
        train("stopped")
    assert (tmp_path / "stopped" / "checkpoints").is_dir()
    assert found(train("stopped", resume=True)) == found(train("whole"))


@pytest.mark.parametrize("arch", ["skipgram", "glove"])
def test_tables_that_several_processes_change_are_saved_sound(train, tmp_path, monkeypatch, arch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        calls_after(patched, 8, kill)
        train("killed", arch, threads=2, epochs=8)
    with monkeypatch.context() as patched:
        done = calls_after(patched, 0)
        train("killed", arch, threads=2, epochs=8, resume=True)
    assert done[0] == 8


def test_a_resumed_training_has_the_settings_and_the_text_that_it_began_with(train, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        calls_after(patched, 3, kill)
        train("killed")
    for changed in ({"dim": 9}, {"arch": "cbow"}, {"settings": {"window": 3}}, {"min_count": 2}):
        with pytest.raises(UsageError, match="was"):
            train("killed", resume=True, **changed)
    with pytest.raises(UsageError, match="nothing to resume"):
        train("other", resume=True)
    with pytest.raises(UsageError, match="--resume"):
        train("killed")
    train("killed", force=True)
    with pytest.raises(UsageError, match="its training has finished; use --force to train again"):
        train("killed", resume=True)
