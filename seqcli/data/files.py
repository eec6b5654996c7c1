"""The bytes of an input: a file, standard input, or the contents of a compressed file.

Whatever error the system reports for a path that cannot be read becomes an InputError that names it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, RawIOBase
from typing import Any, BinaryIO

from seqcli.errors import InputError

ByteFile = BinaryIO | BufferedIOBase
STDIN = "-"
_OPENERS: dict[str, Callable[[str], BufferedIOBase]] = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}
SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard"}
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")


def compression(path: str) -> str | None:
    """The suffix of a compressed file, as spelled in its name; None if there is none."""
    return next((path[-len(suffix) :] for suffix in SUFFIXES if path.lower().endswith(suffix)), None)


def unpacked_name(path: str) -> str:
    """The name without the suffix of its compression: `a.tsv` of `a.tsv.gz`."""
    return path.removesuffix(compression(path) or "")


def shown(path: str) -> str:
    """The name of an input in notes and errors."""
    return "standard input" if path == STDIN else path


@contextmanager
def opened(path: str) -> Iterator[ByteFile]:
    """Opens a file, standard input ("-"), or the contents of a .gz, .bz2, .xz or .zst file.

    Raises InputError, also for errors in the body of the `with` statement: a damaged file is noticed only while it is read.
    """
    suffix = (compression(path) or "").lower()
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise InputError("standard input is closed", cure="name a file")
            yield sys.stdin.buffer
        elif suffix == ".zst":
            import pyarrow  # takes 0.2 s; the standard library has it from Python 3.14 on

            with open(path, "rb", buffering=0) as packed, pyarrow.CompressedInputStream(packed, "zstd") as unpacked:
                yield unpacked
        else:
            with _OPENERS[suffix](path) if suffix else open(path, "rb", buffering=0) as file:
                yield file
    except IsADirectoryError:
        raise InputError("is a directory", where=path, cure="give a file in it") from None
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no such file", where=path) from None
    except PermissionError:
        raise InputError("permission denied", where=path) from None
    except (zlib.error, EOFError, lzma.LZMAError) as error:
        raise InputError(f"damaged {SUFFIXES.get(suffix, 'file')} file ({error})", where=path) from None
    except OSError as error:  # errors of compression libraries have no number: "Invalid data stream"
        damaged = suffix and error.errno is None
        what = f"damaged {SUFFIXES[suffix]} file ({error})" if damaged else f"cannot read ({error.strerror or error})"
        raise InputError(what, where=shown(path)) from None
    except ValueError as error:
        if "embedded null" not in str(error):  # in the path
            raise
        raise InputError("a file name cannot contain NUL", where=path) from None


@contextmanager
def compressed(file: BinaryIO, path: str) -> Iterator[BinaryIO]:
    """`file`, or a compressor that writes to it if the suffix of `path` names one."""
    suffix = (compression(path) or "").lower()
    if not suffix:
        yield file
        return
    with _compressor(file, suffix) as packed:
        yield packed


class _KeptOpen(RawIOBase):
    """Writes to a file that stays open when this wrapper is closed, as pyarrow does at the end."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)


def _compressor(file: BinaryIO, suffix: str) -> Any:
    if suffix == ".zst":
        import pyarrow

        return pyarrow.CompressedOutputStream(_KeptOpen(file), "zstd")
    if suffix == ".gz":
        return gzip.GzipFile("", "wb", fileobj=file, mtime=0)  # the same bytes whatever the file's name and time
    return bz2.BZ2File(file, "wb") if suffix == ".bz2" else lzma.LZMAFile(file, "wb")
