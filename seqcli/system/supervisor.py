"""Runs a command with limited memory (`ulimit -v`, `ulimit -d`) in a child process, whose parent explains its death.

Native code that cannot allocate memory ends the process: the C++ library aborts, OpenMP and the dynamic loader exit. The
process itself cannot turn this into an error message.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from seqcli.system import signals, startup

_QUIET = 0.1  # seconds to wait for further output of a process that has ended
_FAILED = (1, 127)  # exit codes of OpenMP and of the dynamic loader


def supervised(command: Callable[[], int], *, explain: Callable[[], int], clean_up: Callable[[int], None]) -> int:
    """The exit code of `command`, run in a child process; if native code ended that process, the result of `explain`.

    clean_up: called with the child's process number, to remove its incomplete files.

    Signals are passed on, and so is the child's standard error; lines that seqcli did not write are printed at the end, and
    omitted if the child died.
    """
    from seqcli.system.workers import in_child  # multiprocessing takes 10 ms; imported before memory is exhausted

    read, write = os.pipe()
    with_terminal = os.isatty(0)  # the terminal sends signals to both processes
    child = os.fork()
    if child == 0:
        os.close(read)
        _become(command, write, alone=not with_terminal)

    def pass_on(number: int, _: object) -> None:
        if not (with_terminal and number == signal.SIGINT):
            os.kill(child, number)

    signals.install(pass_on)
    os.close(write)
    lines = _Lines()
    status = _relayed(read, child, lines)
    os.close(read)
    startup.leave_at_once()  # the child has ended
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGPIPE or -code in signals.NUMBERS:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    if code < 0 or (code in _FAILED and not lines.explained):
        with suppress(Exception):
            in_child(lambda: clean_up(child))  # imports may fail because of the limit, too
        return explain()
    lines.release()
    return code


def _become(command: Callable[[], int], standard_error: int, *, alone: bool) -> None:
    """The child process, which ends with its parent."""
    code = 1
    try:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        if alone:
            os.setpgid(0, 0)
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        code = command()
    except BaseException:
        traceback.print_exc()
    finally:
        signals.leave(code)


class _Lines:
    """The lines of the child's standard error. explained: whether seqcli itself reported an error."""

    def __init__(self):
        self.explained = False
        self._begun, self._held = b"", []

    def add(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            if line.startswith((b"seqcli", b"Usage:")):
                self.explained |= b"error:" in line
                _write(line + b"\n")
            else:
                self._held.append(line + b"\n")

    def release(self) -> None:
        _write(b"".join(self._held) + self._begun)


def _write(data: bytes) -> None:
    with suppress(OSError):
        os.write(2, data)


def _relayed(read: int, child: int, lines: _Lines) -> int:
    """Waits for the child; returns its exit status."""
    poll, ended = select.poll(), None
    poll.register(read, select.POLLIN)
    while True:
        if poll.poll(1000 * _QUIET):
            data = os.read(read, 1 << 16)
            if not data:
                break
            lines.add(data)
        elif ended is not None:
            break
        if ended is None and (found := os.waitpid(child, os.WNOHANG))[0]:
            ended = found[1]
    return os.waitpid(child, 0)[1] if ended is None else ended
