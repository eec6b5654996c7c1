"""Files of one float32 matrix, written row by row without knowing the number of rows in advance: NumPy's .npy and
.safetensors.

The header is written last, into a reserved space of fixed size that both formats allow to be padded with blanks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from seqcli.errors import OutputError
from seqcli.files.atomic import replacing

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".npy", ".safetensors")
_HEADER = 256  # size of the header, in bytes


class MatrixFile:
    """A matrix whose rows are appended."""

    def __init__(self, file: BinaryIO, suffix: str):
        self._file, self._suffix = file, suffix
        self._rows, self._width = 0, 0
        file.write(bytes(_HEADER))

    def add(self, rows: np.ndarray) -> None:
        """rows: float32 [n, D]"""
        self._rows, self._width = self._rows + len(rows), rows.shape[1]
        self._file.write(rows.astype("<f4").tobytes())

    def end(self) -> None:
        shape = (self._rows, self._width)
        self._file.seek(0)
        self._file.write(_npy(shape) if self._suffix == ".npy" else _safetensors(shape))


@contextmanager
def matrix_file(path: str) -> Iterator[MatrixFile]:
    """Opens a matrix file in the format of its suffix. Raises OutputError if it cannot be written."""
    try:
        with replacing(Path(path), last=True) as file:
            if not file.seekable():
                raise OutputError("cannot write a matrix to a pipe", where=path, cure="give the name of a file")
            matrix = MatrixFile(file, PurePath(path).suffix.lower())
            yield matrix
            matrix.end()
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=path) from None


def _npy(shape: tuple[int, int]) -> bytes:
    """The header of .npy version 1.0: magic, version, length of the text, a Python literal, blanks, a line feed."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + text.encode().ljust(_HEADER - 11) + b"\n"


def _safetensors(shape: tuple[int, int]) -> bytes:
    text = json.dumps({"vectors": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * shape[0] * shape[1]]}})
    return (_HEADER - 8).to_bytes(8, "little") + text.encode().ljust(_HEADER - 8)
