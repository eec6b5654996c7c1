"""Opens files of a model safely: only regular files of bounded size.

Opening a FIFO would block, and a device such as /dev/zero has no end. Input texts may be either (`data/lines.py` bounds the
length of a line instead); models, tokenizers and checkpoints may not.
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

LARGEST_JSON = 1 << 24  # bytes of a file of settings
LARGEST_READ = 1 << 26  # bytes of a file that is read into memory at once: settings, vocabularies, SentencePiece models
_CURE = "restore the file or train again"


def opened(path: Path | str) -> BufferedReader:
    """Opens a file for reading. Raises ModelError if it is not a regular file, OSError if it cannot be opened."""
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
    """Checks a file that a library will open by name. Raises as `opened` does."""
    opened(path).close()


def read(path: Path | str, *, largest: int = LARGEST_READ) -> bytes:
    """The bytes of a file. Raises ModelError if it is not regular or larger than `largest` bytes, and OSError."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise ModelError(f"{size:,} bytes, at most {largest:,} expected", where=str(path), cure="check the path")
        return file.read()


def read_json(
    path: Path | str, *, sha256: str | None = None, largest: int = LARGEST_JSON, cure: str = _CURE
) -> dict[str, Any]:
    """The JSON object in a file. sha256: expected checksum of the file. Raises ModelError, also if it cannot be read."""
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
