"""Files and folders that are replaced whole: the old one or the new one, whatever happens."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from seqcli.system import signals
from seqcli.text import utf8

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


@contextmanager
def replacing(path: Path, *, follow: bool = True, exclusive: bool = False, last: bool = False) -> Iterator[BinaryIO]:
    """A file to write, beside `path`; it takes its place and its mode when it is whole and synced.

    follow: where `path` is a link, the file that it points to is replaced, and a device or a FIFO is written to; else whatever
    has the name is replaced. exclusive: nothing is replaced. last: it is all that the command makes, so that a signal that
    comes later is too late.
    An error or a signal inside leaves what was there and nothing else. Raises OSError where it cannot be written, in
    particular FileExistsError where `exclusive` finds something there, however late it came.
    """
    if follow:
        path = Path(os.path.realpath(path))
        if path.is_symlink():  # it leads around in circles
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        if path.exists() and not path.is_file():  # a directory says so itself
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
    """An empty folder beside `path`, which takes that name when the block ends: there is all of it, or nothing. last: as for `replacing`.

    Raises OSError where it cannot be made, or where there is something by that name other than an empty folder.
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
    """Gives a whole file its name, unless that is taken: looking first would not see who comes in between."""
    try:
        os.link(new, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # no hard links here: reserve the name
        os.replace(new, path)


def exchange(new: Path, old: Path) -> None:
    """Two folders or files of one file system change places in one step, so that `old` is never missing.

    Where the system has no such step, there is a moment without `old`. Raises OSError.
    """
    import ctypes  # 10 ms, only for this

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
    """An opener for `open`: writes to no file that a link of that name points to, and waits for no reader of a FIFO."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
