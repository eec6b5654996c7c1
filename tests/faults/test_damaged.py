"""Checkpoints that were damaged: the one before is taken, or none; never wrong weights."""

import shutil

import numpy as np
import pytest
from tiny_training import end, same

from seqcli.errors import ModelError
from seqcli.interfaces import SILENT
from seqcli.runs import checkpoint

FILES = (checkpoint.STATE, checkpoint.PROGRESS, checkpoint.MANIFEST)


@pytest.fixture
def run(undisturbed, tmp_path):
    """A copy with its two checkpoints, and what they hold."""
    shutil.copytree(undisturbed, tmp_path / "m")
    places = sorted((tmp_path / "m" / checkpoint.FOLDER).iterdir())
    assert [place.name for place in places] == ["step-00000011", "step-00000012"]
    held = []
    for place in reversed(places):
        tensors, progress = checkpoint.newest(tmp_path / "m", reporter=SILENT)
        held.append(({name: np.array(array) for name, array in tensors.items()}, progress))
        shutil.move(place, tmp_path / place.name)
    for place in places:
        shutil.move(tmp_path / place.name, place)
    assert not same(held[0][0], held[1][0])
    return tmp_path / "m", places[1], held


def taken(folder, held) -> int | None:
    """Which of the two is read; None where none."""
    try:
        tensors, progress = checkpoint.newest(folder, reporter=SILENT)
    except ModelError as error:
        assert error.exit_code == 4 and error.cure
        return None
    (which,) = [n for n, (own, own_progress) in enumerate(held) if same(own, tensors) and own_progress == progress]
    return which


@pytest.mark.parametrize("name", FILES)
def test_cut_anywhere_or_gone(run, name):
    folder, place, held = run
    data = (place / name).read_bytes()
    for size in sorted({len(data) * part // 60 for part in range(60)}):
        (place / name).write_bytes(data[:size])
        assert taken(folder, held) == (0 if not data[size:].strip() else 1)
    (place / name).unlink()
    assert taken(folder, held) == 1


@pytest.mark.parametrize("name", FILES)
def test_a_byte_changed_anywhere(run, name):
    folder, place, held = run
    rng, data = np.random.default_rng(0), (place / name).read_bytes()
    for where in rng.choice(len(data), size=min(80, len(data)), replace=False):
        changed = bytearray(data)
        changed[where] ^= 1 << rng.integers(8)
        (place / name).write_bytes(changed)
        assert taken(folder, held) in ((0, 1) if name == checkpoint.MANIFEST else (1,))  # a blank may change there


@pytest.mark.parametrize("names", [*((name,) for name in FILES), FILES[:2], FILES[1:], FILES[::2], FILES])
def test_files_swapped_between_steps(run, names):
    folder, place, held = run
    older = place.with_name("step-00000011")
    for name in names:
        a, b = (place / name).read_bytes(), (older / name).read_bytes()
        (place / name).write_bytes(b)
        (older / name).write_bytes(a)
    assert taken(folder, held) is None


def test_4_all_damaged_and_otherwise_gone_on_with_from_the_one_before(here, run, training, undisturbed):
    folder, place, _ = run
    (place / checkpoint.STATE).write_bytes(b"")
    done = here(*training.arguments(folder, "--resume"))
    assert done.code == 0 and "checkpoint step-00000012 is damaged" in done.err
    assert same(end(folder), end(undisturbed))
    for place in (folder / checkpoint.FOLDER).iterdir():
        (place / checkpoint.STATE).write_bytes(b"")
    done = here(*training.arguments(folder, "--resume"))
    assert done.code == 4 and "all checkpoints are damaged" in done.err.splitlines()[-1]
