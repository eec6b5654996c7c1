"""Files of a model, opened safely: regular files of bounded size.

A FIFO would wait for a writer for ever, and a device such as /dev/zero has no end. Text that users give may come from
either (`data/lines.py`, which bounds the length of a line instead); a model, a tokenizer or a checkpoint may not.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

from seqcli.errors import ModelError

LARGEST_JSON = 1 << 24  # bytes of settings
LARGEST_READ = 1 << 26  # bytes of a file that is read into memory at once: settings, vocabularies, SentencePiece models
_CURE = "restore the file or train again"


def opened(path: Path | str) -> BufferedReader:
    """The file, open for reading. Raises ModelError where it is not a regular file, OSError where it cannot be opened."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # without O_NONBLOCK, opening a FIFO blocks
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise ModelError("not a regular file", where=str(path), cure="give the file itself")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def check(path: Path | str) -> None:
    """For files that others open, by name. Raises as `opened` does."""
    opened(path).close()


def read(path: Path | str, *, largest: int = LARGEST_READ) -> bytes:
    """All bytes of the file. Raises ModelError where it is not regular or larger than `largest` bytes, or OSError."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise ModelError(f"{size:,} bytes, at most {largest:,} expected", where=str(path), cure="check the path")
        return file.read()


def read_json(
    path: Path | str, *, sha256: str | None = None, largest: int = LARGEST_JSON, cure: str = _CURE
) -> dict[str, Any]:
    """The JSON object in the file. sha256: of the file's bytes, compared. Raises ModelError, also where it cannot be read."""
    try:
        data = read(path, largest=largest)
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("checksum differs")
        value = json.loads(data)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return value
    except OSError as error:
        cure = "check the path" if error.errno == errno.ENOENT else cure
        raise ModelError(f"cannot read ({error.strerror})", where=str(path), cure=cure) from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"damaged ({error})", where=str(path), cure=cure) from None
