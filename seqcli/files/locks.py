"""Lock files, by which a single process writes a folder and names itself."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import TextIO

from seqcli.errors import BusyError


def take(lock: TextIO, path: Path) -> None:
    """`path`, which it stands for, is then written by nobody else. Raises BusyError where another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        raise BusyError(f"being written by {holder}", where=str(path), cure="wait for it, or use another -o") from None
    if not is_held(lock):  # its last holder has just removed it
        raise BusyError("was in use by another process until just now", where=str(path), cure="try again")


def is_held(lock: TextIO) -> bool:
    """Whether its file is still where it was taken: not removed, moved, or replaced by another's."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name))
    except OSError:
        return False


def place(lock: TextIO) -> Path | None:
    """Where its file is now; None where it was removed, or the system does not say."""
    try:
        path = os.readlink(f"/proc/self/fd/{lock.fileno()}")
    except OSError:
        return None
    return None if path.endswith(" (deleted)") else Path(path)


def sign(lock: TextIO) -> None:
    """Who holds it, for those who find it taken."""
    lock.seek(0)
    lock.truncate()
    lock.write(f"{socket.gethostname()}, process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    lock.flush()
