"""Writes a folder atomically, by one process at a time; may replace a folder of the same kind, such as a tokenizer."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seqcli import catalog, tokenizers
from seqcli.errors import BusyError, ModelError, OutputError, UsageError
from seqcli.files import atomic, regular, tensor_file
from seqcli.files.atomic import exchange, no_link
from seqcli.interfaces import Tokenizer
from seqcli.system import signals

Write = Callable[[Path], None]  # writes the files of a new folder


@contextmanager
def writing_folder(
    path: Path | str, *, what: str, is_one: Callable[[Path], bool], force: bool = False
) -> Iterator[Callable[[Write], None]]:
    """Locks a folder, and yields the function that fills it.

    what: the kind of folder, with its article; is_one: whether a folder is of this kind and contains nothing else; force:
    such a folder may be replaced. Raises UsageError if anything else exists at `path`, BusyError if another process is
    writing it.
    """
    path = Path(os.path.realpath(path))  # resolves links, also cyclic ones
    with ExitStack() as stack:
        with signals.held():  # so that the lock file is removed even if a signal arrives right away
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(open(path.with_name(f".{path.name}.lock"), "a+", opener=no_link))
            except OSError as error:
                raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
            atomic.take_lock(lock, path)
            if not os.fstat(lock.fileno()).st_nlink:  # the previous holder has just removed it, so it excludes nobody
                raise BusyError("was being written by another process", where=str(path), cure="use another -o")
            stack.callback(os.unlink, lock.name)
        atomic.sign_lock(lock)
        occupied = _holds_one(path, what=what, is_one=is_one, force=force)
        yield lambda write: _replace(write, path, occupied=occupied)


def _holds_one(path: Path, *, what: str, is_one: Callable[[Path], bool], force: bool) -> bool:
    """Whether there is a folder to replace."""
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
                os.rename(new, path)  # replaces at most an empty folder
            tensor_file.sync(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
    finally:
        with signals.held():  # the incomplete new folder, or the old one
            shutil.rmtree(new, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def writing_tokenizer(path: Path | str, *, force: bool = False) -> Iterator[Callable[[Tokenizer], None]]:
    """Locks a tokenizer folder, and yields the function that writes it; see `writing_folder`."""
    with writing_folder(path, what="a seqcli tokenizer", is_one=_is_tokenizer, force=force) as write:
        yield lambda tokenizer: write(lambda folder: tokenizers.save(tokenizer, folder))


def _is_tokenizer(path: Path) -> bool:
    """Whether a folder contains a tokenizer of seqcli and nothing else."""
    try:
        kind = regular.read_json(path / tokenizers.FILE)["kind"]
        return set(os.listdir(path)) <= {tokenizers.FILE, getattr(catalog.load("tokenizers", kind), "FILE", None)}
    except (OSError, ValueError, KeyError, TypeError, UsageError, ModelError):
        return False
