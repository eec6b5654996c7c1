"""Folders that somebody made to do harm: exit 4 and one line, soon, in little memory, and nothing outside is touched."""

import os
import time
from pathlib import Path

import hostile_folders
import pytest

SECONDS, BYTES = 2.0, 500e6  # of processor and of memory, beyond what was used before


@pytest.fixture
def folder(tmp_path):
    return hostile_folders.make(tmp_path / "around" / "model")


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Of everything in it: when it was changed, and its size."""
    found = {str(path): os.lstat(path) for path in sorted(folder.rglob("*"))}
    return {name: (about.st_mtime_ns, about.st_size) for name, about in found.items()}


def memory(what: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most since `forget`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(what))


def forget() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory is that of now


def test_the_sound_one_is_opened(here, folder):
    done = here("score", "-m", folder, "a cat", "--json")
    assert done.code == 0, done.err


@pytest.mark.parametrize("name", hostile_folders.ALL)
def test_a_hostile_folder_is_refused(here, folder, name):
    hostile_folders.ALL[name](folder)
    around = folder.parent
    before, began = state(around), time.process_time()
    forget()
    used = memory("VmRSS")
    done = here("score", "-m", folder, "a cat")
    assert (done.code, done.out) == (4, ""), done.err
    assert done.err.count("\n") == 1 and len(done.err) < 600
    assert str(folder) in done.err and "; " in done.err
    assert time.process_time() - began < SECONDS and memory("VmHWM") - used < BYTES
    assert state(around) == before
