"""Lock files: a single process at a time writes a folder, and the file tells which one."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import TextIO

from seqcli.errors import BusyError


def take(lock: TextIO, path: Path) -> None:
    """Acquires the lock of `path`. Raises BusyError if another process holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        raise BusyError(f"being written by {holder}", where=str(path), cure="wait for it, or use another -o") from None
    if not is_held(lock):  # the previous holder has just removed the file
        raise BusyError("was in use by another process until just now", where=str(path), cure="try again")


def is_held(lock: TextIO) -> bool:
    """Whether the lock file is still at the path where it was acquired: not removed, moved or replaced."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name))
    except OSError:
        return False


def place(lock: TextIO) -> Path | None:
    """The current path of the lock file; None if it was removed or the system does not tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{lock.fileno()}")
    except OSError:
        return None
    return None if path.endswith(" (deleted)") else Path(path)


def sign(lock: TextIO) -> None:
    """Writes the process and time into the lock file, for other processes that find it locked."""
    lock.seek(0)
    lock.truncate()
    lock.write(f"{socket.gethostname()}, process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    lock.flush()
