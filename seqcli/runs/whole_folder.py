"""A folder that is written whole or not at all, by one process at a time, in the place of another of its kind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seqcli.errors import BusyError, OutputError, UsageError
from seqcli.files import locks, tensor_file
from seqcli.files.atomic import exchange, no_link
from seqcli.system import signals

Write = Callable[[Path], None]  # writes the files of a new folder


@contextmanager
def drafting_folder(
    path: Path | str, *, what: str, is_one: Callable[[Path], bool], force: bool = False
) -> Iterator[Callable[[Write], None]]:
    """Locks the place of a folder, and gives the function that fills it.

    what: the folder is, with its article; is_one: whether a folder is such a one, and nothing else; force: then it may be
    replaced. Raises UsageError where something else is there, BusyError where another process is writing it.
    """
    path = Path(os.path.realpath(path))  # which ends where a link points to itself
    with ExitStack() as stack:
        with signals.held():  # a lock that was made is removed, however soon a signal comes
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(open(path.with_name(f".{path.name}.lock"), "a+", opener=no_link))
            except OSError as error:
                raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
            locks.take(lock, path)
            if not os.fstat(lock.fileno()).st_nlink:  # its holder has just removed it: it excludes nobody
                raise BusyError("was being written by another process", where=str(path), cure="use another -o")
            stack.callback(os.unlink, lock.name)
        locks.sign(lock)
        occupied = _holds_one(path, what=what, is_one=is_one, force=force)
        yield lambda write: _replace(write, path, occupied=occupied)


def _holds_one(path: Path, *, what: str, is_one: Callable[[Path], bool], force: bool) -> bool:
    """Whether there is one to be replaced."""
    occupied = path.exists() and not (path.is_dir() and not os.listdir(path))
    if occupied and not is_one(path):
        raise UsageError(f"exists and is not {what}", where=str(path), cure="use another name")
    if occupied and not force:
        raise UsageError(f"already contains {what}", where=str(path), cure="use --force to replace it, or another name")
    return occupied


def _replace(write: Write, path: Path, *, occupied: bool) -> None:
    try:
        new = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
    try:
        write(new)
        for file in new.iterdir():
            tensor_file.sync(file)
        os.chmod(new, 0o777 & ~_umask())
        with signals.held():
            if occupied:
                exchange(new, path)
            else:
                os.rename(new, path)  # replaces an empty folder at most
            tensor_file.sync(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
    finally:
        with signals.held():  # the new one that failed, or the old one
            shutil.rmtree(new, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
