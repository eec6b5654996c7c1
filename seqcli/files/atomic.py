"""Atomic replacement of files and folders: readers see the old content or the new, never a part of it. Lock files: one process at a
time writes a folder, and the file tells which one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from seqcli.errors import BusyError
from seqcli.system import signals
from seqcli.text import utf8

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


@contextmanager
def replacing(path: Path, *, follow: bool = True, exclusive: bool = False, last: bool = False) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path`, which replaces it, with the same permissions, once it is written and synced.

    follow: if `path` is a link, replace the file it points to, and write directly to a device or FIFO; otherwise replace
    whatever has that name. exclusive: never replace anything. last: this is the only output of the command, so that a
    signal that arrives later no longer changes its exit code. An error or a signal inside the block leaves the previous
    state. Raises OSError if the file cannot be written, in particular FileExistsError if `exclusive` finds something at
    `path`, even if it was created in the meantime.
    """
    if follow:
        path = Path(os.path.realpath(path))
        if path.is_symlink():  # a cyclic link
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        if path.exists() and not path.is_file():  # opening a directory raises the right error
            if exclusive:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            with open(path, "wb") as file:
                yield file
            return
    beside = path.with_name(f".new-{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb", opener=no_link) as file:
            yield file
            file.flush()
            if path.is_file() and not path.is_symlink():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        put = _link if exclusive else os.replace
        if last:
            signals.finish(lambda: put(beside, path))
        else:
            put(beside, path)
    finally:
        with signals.held(), suppress(OSError):
            beside.unlink()


@contextmanager
def new_folder(path: Path, *, last: bool = False) -> Iterator[Path]:
    """An empty folder beside `path` that is renamed to it when the block ends successfully. last: as for `replacing`.

    Raises OSError if it cannot be created, or if `path` is anything but an empty folder.
    """
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    beside = path.with_name(f".new-{path.name}.{os.getpid()}")
    try:
        beside.mkdir()
        yield beside
        if last:
            signals.finish(lambda: os.rename(beside, path))
        else:
            os.rename(beside, path)
    finally:
        with signals.held():
            shutil.rmtree(beside, ignore_errors=True)


def _link(new: Path, path: Path) -> None:
    """Renames a complete file unless the name is taken; checking first would leave time for another process to take it."""
    try:
        os.link(new, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        # no hard links on this file system: reserve the name
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.replace(new, path)


def exchange(new: Path, old: Path) -> None:
    """Exchanges two files or folders of one file system atomically, so that `old` always exists.

    Where the system does not support this, `old` is missing for a moment. Raises OSError.
    """
    import ctypes  # takes 10 ms, needed only here

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        number = errno.ENOSYS
    else:
        if not renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE):
            return
        number = ctypes.get_errno()
    if number not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        raise OSError(number, os.strerror(number), str(old))
    aside = new.with_name(f"{new.name}-old")
    os.rename(old, aside)
    try:
        os.rename(new, old)
    except OSError:
        os.rename(aside, old)
        raise
    os.rename(aside, new)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes and syncs a new file."""
    with open(path, "wb") as file:
        file.write(utf8(json.dumps(value, indent=1, ensure_ascii=False) + "\n"))
        file.flush()
        os.fsync(file.fileno())


def no_link(name: str, flags: int) -> int:
    """An opener for `open` that does not follow a link and does not wait for the reader of a FIFO."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def take_lock(lock: TextIO, path: Path) -> None:
    """Acquires the lock of `path`. Raises BusyError if another process holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        raise BusyError(f"being written by {holder}", where=str(path), cure="wait for it, or use another -o") from None
    if not lock_is_held(lock):  # the previous holder has just removed the file
        raise BusyError("was in use by another process until just now", where=str(path), cure="try again")


def lock_is_held(lock: TextIO) -> bool:
    """Whether the lock file is still at the path where it was acquired: not removed, moved or replaced."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name))
    except OSError:
        return False


def lock_path(lock: TextIO) -> Path | None:
    """The current path of the lock file; None if it was removed or the system does not tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{lock.fileno()}")
    except OSError:
        return None
    return None if path.endswith(" (deleted)") else Path(path)


def sign_lock(lock: TextIO) -> None:
    """Writes the process and time into the lock file, for other processes that find it locked."""
    lock.seek(0)
    lock.truncate()
    lock.write(f"{socket.gethostname()}, process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    lock.flush()
