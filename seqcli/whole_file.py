"""Files that are written whole: the old one or the new one, whatever happens; what their content is, others know."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from seqcli import interrupts


@contextmanager
def replacing(path: Path, *, follow: bool = True) -> Iterator[BinaryIO]:
    """A file to write, beside `path`; it takes its place and its mode when it is whole and synced.

    follow: where `path` is a link, the file that it points to is replaced, else the link. An error or a signal inside
    leaves what was there and nothing else. Raises OSError where it cannot be written.
    """
    path = Path(os.path.realpath(path)) if follow else path
    beside = path.with_name(f".new-{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb", opener=no_link) as file:
            yield file
            file.flush()
            if path.is_file() and not path.is_symlink():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        with interrupts.held(), suppress(OSError):
            beside.unlink()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes and syncs a new file."""
    with open(path, "wb") as file:
        file.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def no_link(name: str, flags: int) -> int:
    """An opener for `open`: writes to no file that a link of that name points to."""
    return os.open(name, flags | os.O_NOFOLLOW, 0o666)
