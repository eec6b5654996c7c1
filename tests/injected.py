"""Faults of a disk, put in by hand: every write, sync, rename, removal and new folder of a saving is a step, and at the
K-th either the process ends or the disk is full from then on.
"""

import builtins
import errno
import io
import os

import pytest

KILLED = 9
CALLS = {"fsync": True, "mkdir": True, "rename": False, "replace": False, "unlink": False, "rmdir": False}  # writes?


class Faults:
    """At the K-th step of a saving the process ends; or from there on the disk is full."""

    def __init__(self, patch: pytest.MonkeyPatch, *, at: int, full: bool = False):
        self.steps, self.at, self.full = 0, at, full
        for name, writes in CALLS.items():
            patch.setattr(os, name, self._counted(getattr(os, name), writes))
        for module in (builtins, io):
            patch.setattr(module, "open", self._open)

    def step(self, *, writes: bool) -> None:
        self.steps += writes or not self.full  # a full disk can still be tidied
        if self.steps >= self.at and writes and self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.steps == self.at and not self.full:
            os._exit(KILLED)

    def _counted(self, function, writes: bool):
        def call(*arguments, **keywords):
            self.step(writes=writes)
            return function(*arguments, **keywords)

        return call

    def _open(self, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        faults = self

        class Raw(io.FileIO):
            def write(self, data) -> int:
                half = memoryview(data)[: len(data) // 2]
                if faults.steps + 1 == faults.at and not faults.full:
                    super().write(half)  # torn
                faults.step(writes=True)
                return super().write(data)

        raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd=closefd, opener=opener)
        if buffering == 0:
            return raw
        kind = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        return kind(raw) if "b" in mode else io.TextIOWrapper(kind(raw), encoding or "utf-8", errors, newline)


def killed_at(step: int, act) -> bool:
    """Whether a copy of this process that is killed at its K-th step of `act` got so far."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with pytest.MonkeyPatch.context() as patch:
                Faults(patch, at=step)
                act()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED
