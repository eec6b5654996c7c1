"""A training that is killed, wherever, and gone on with until it is done, is the training that was not killed."""

import os
import random
import resource
import shutil
import signal
import time
from itertools import count

import pytest
from injected import Faults, killed_at
from tiny_training import end, ended, same

from seqcli.errors import ModelError, UsageError
from seqcli.interfaces import SILENT
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def test_killed_at_a_random_moment_and_resumed_until_done(training, undisturbed, tmp_path, trial):
    folder, rng, lost = tmp_path / "m", random.Random(trial), []
    while True:
        before = step_of(folder)
        pid = training.forked(lambda: training.go_on(folder))
        time.sleep(rng.uniform(0.01, 0.15))
        os.kill(pid, signal.SIGKILL)
        code = ended(pid)
        assert code in (0, -signal.SIGKILL)
        assert step_of(folder) >= before
        lost.append(step_of(folder) - before)
        if code == 0:
            break
        if len(lost) > 5:  # slow here: to the end
            assert ended(training.forked(lambda: training.go_on(folder))) == 0
            break
    assert same(end(folder), end(undisturbed))


def step_of(folder) -> int:
    """Of the newest whole checkpoint."""
    try:
        return checkpoint.newest(folder, reporter=SILENT)[1]["progress"]["step"]
    except ModelError:
        return 0


def test_killed_at_every_step_of_saving_a_checkpoint_one_is_whole(tmp_path, training, undisturbed):
    """Of the third step's, where the first's goes."""
    training(tmp_path / "m", steps=2)
    tensors, saved = checkpoint.newest(tmp_path / "m", reporter=SILENT)
    seen = []
    for step in count(1):
        shutil.copytree(tmp_path / "m", tmp_path / "k")
        (tmp_path / "k/.new-1").mkdir()
        killed = killed_at(
            step,
            lambda: checkpoint.save(
                tmp_path / "k", tmp_path / "k/.new-1", step=3, tensors=tensors, progress={**saved, "third": True}
            ),
        )
        read, progress = checkpoint.newest(tmp_path / "k", reporter=SILENT)
        assert same(read, tensors)
        seen.append(progress.get("third", False))
        shutil.rmtree(tmp_path / "k")
        if not killed:
            break
    assert len(seen) > 10 and seen == sorted(seen) and set(seen) == {False, True}


@pytest.mark.parametrize("stride", [59, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_a_write_of_a_training_it_is_gone_on_with(tmp_path, training, undisturbed, stride):
    """At every 59th write, sync, rename, removal of one from its beginning to its end; at every one where there is time."""
    for step in count(5, stride):
        killed = killed_at(step, lambda: training(tmp_path / "m"))
        if killed:
            training.go_on(tmp_path / "m")
        assert same(end(tmp_path / "m"), end(undisturbed))
        assert not list((tmp_path / "m").glob(".new-*")) and len(list((tmp_path / "m").glob("state-*"))) == 1
        shutil.rmtree(tmp_path / "m")
        if not killed:
            break
    assert step > 100


def other(training, folder) -> None:
    """Another training, which replaces what is there."""
    training(folder, "seed=7", force=True)


@pytest.mark.parametrize("stride", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_a_write_of_a_training_that_replaces_another_there_is_one_to_resume(
    tmp_path, training, undisturbed, stride
):
    """Until its first checkpoint the old one with its checkpoints, from there the new one; a whole model at every moment."""
    training(tmp_path / "new", "seed=7")
    replaced, seen = end(tmp_path / "new"), []
    for step in count(5, stride):
        shutil.copytree(undisturbed, tmp_path / "m")
        killed = killed_at(step, lambda: other(training, tmp_path / "m"))
        ModelFolder.open(tmp_path / "m").verify()
        checkpoint.newest(tmp_path / "m", reporter=SILENT)
        try:
            training(tmp_path / "m", "seed=7", resume=True)
            assert same(end(tmp_path / "m"), replaced)
            seen.append("new")
        except UsageError:  # its seed was another
            training(tmp_path / "m", resume=True)
            assert same(end(tmp_path / "m"), end(undisturbed))
            seen.append("old")
        assert not list((tmp_path / "m").glob(".new-*")) and len(list((tmp_path / "m").glob("state-*"))) == 1
        shutil.rmtree(tmp_path / "m")
        if not killed:
            break
    assert seen == sorted(seen, reverse=True) and {*seen} == {"old", "new"}


def test_5_a_disk_that_is_full_while_one_training_replaces_another(here, tmp_path, training, undisturbed):
    for at in count(3, 31):
        shutil.copytree(undisturbed, tmp_path / "m")
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at=at, full=True)
            done = here(*training.arguments(tmp_path / "m", "-q", "--force", "--seed", 7))
        if faults.steps < at:
            break
        assert done.code == 5 and done.err.count("\n") == 1 and "no space left" in done.err.lower(), done
        assert not list((tmp_path / "m").glob(".new-*")) and step_of(tmp_path / "m") > 0
        ModelFolder.open(tmp_path / "m").verify()
        shutil.rmtree(tmp_path / "m")
    assert done.code == 0 and at > 60


def test_5_a_disk_that_is_full_from_the_kth_write_on(here, tmp_path, training):
    """One line, and what was saved before is whole: a checkpoint to go on from, or nothing at all."""
    for at in count(3, 31):
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at=at, full=True)
            done = here(*training.arguments(tmp_path / "m", "-q"))
        if faults.steps < at:
            break
        assert done.code == 5 and done.err.count("\n") == 1 and "no space left" in done.err.lower(), done
        if (tmp_path / "m").exists():
            assert not list((tmp_path / "m").glob(".new-*"))
            assert step_of(tmp_path / "m") > 0
            if (tmp_path / "m/manifest.json").exists():
                ModelFolder.open(tmp_path / "m").verify()
            shutil.rmtree(tmp_path / "m")
        assert os.listdir(tmp_path) == []
    assert done.code == 0 and at > 60


def test_5_files_may_not_be_that_large(tmp_path, training):
    """`ulimit -f`: the system's own signal for it is an error like others."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        training.command(tmp_path / "m", "-q", "--set", "width=32", errors=tmp_path / "errors")

    assert ended(training.forked(limited)) == 5
    (line,) = (tmp_path / "errors").read_text().splitlines()
    assert "no space left" in line and os.listdir(tmp_path) == ["errors"]
