"""A folder with a tokenizer alone: written whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from seqcli import catalog, tokenizers
from seqcli.errors import BusyError, ModelError, OutputError, UsageError
from seqcli.files import locks, regular, tensor_file
from seqcli.files.atomic import exchange, no_link
from seqcli.interfaces import Tokenizer
from seqcli.system import signals


@contextmanager
def drafting_tokenizer(path: Path | str, *, force: bool = False) -> Iterator[Callable[[Tokenizer], None]]:
    """Locks the place of a tokenizer folder, and gives the function that writes it.

    force: a tokenizer that it holds may be replaced. Raises UsageError where something else is there, BusyError where
    another process is writing it.
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
        occupied = _holds_tokenizer(path, force=force)
        yield lambda tokenizer: _replace_tokenizer(tokenizer, path, occupied=occupied)


def _holds_tokenizer(path: Path, *, force: bool) -> bool:
    """Whether there is one to be replaced."""
    occupied = path.exists() and not (path.is_dir() and not os.listdir(path))
    if occupied and not _is_tokenizer(path):
        raise UsageError("exists and is not a seqcli tokenizer", where=str(path), cure="use another -o")
    if occupied and not force:
        raise UsageError(
            "already contains a tokenizer", where=str(path), cure="use --force to replace it, or another -o"
        )
    return occupied


def _replace_tokenizer(tokenizer: Tokenizer, path: Path, *, occupied: bool) -> None:
    try:
        new = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
    try:
        tokenizers.save(tokenizer, new)
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


def _is_tokenizer(path: Path) -> bool:
    """Whether a folder holds a tokenizer that we made, and nothing else."""
    try:
        kind = regular.read_json(path / tokenizers.FILE)["kind"]
        return set(os.listdir(path)) <= {tokenizers.FILE, getattr(catalog.load("tokenizers", kind), "FILE", None)}
    except (OSError, ValueError, KeyError, TypeError, UsageError, ModelError):
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
