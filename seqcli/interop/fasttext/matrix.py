"""The matrices of fastText files: dense, or compressed with a product quantizer (Jégou et al. 2011; Joulin et al. 2016).

    dense       int64 rows, columns; float32 [rows, columns]
    quantized   bool norms; int64 rows, columns; int32 bytes; uint8 codes [rows, parts]; the quantizer of rows;
                with norms: uint8 codes [rows]; the quantizer of norms
    quantizer   int32 dim, parts, width, last width; float32 centroids [parts, 256, width]

A quantized row has a centroid for each `width` of its numbers, times its norm. (fastText's source, `DenseMatrix::load`,
`QuantMatrix::load`, `ProductQuantizer::load`.)
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seqcli.errors import ModelError
from seqcli.interop import limits

SIZES = struct.Struct("<2q")
_FLAG, _CODES, _QUANTISER = struct.Struct("<?"), struct.Struct("<i"), struct.Struct("<4i")
_CENTROIDS = 256
_SMALL = 1 << 26  # bytes of a quantized matrix to decode at a time


@dataclass
class Cursor:
    """Reads a mapped file sequentially. Raises ValueError at a premature end."""

    data: mmap.mmap
    size: int
    at: int = 0

    @property
    def left(self) -> int:
        return self.size - self.at

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        self._expect(form.size)
        values = form.unpack_from(self.data, self.at)
        self.at += form.size
        return values

    def flag(self) -> bool:
        return self.unpack(_FLAG)[0]

    def array(self, kind: np.dtype | type | str, count: int) -> np.ndarray:
        """An array mapped from the file, not aligned in memory."""
        kind = np.dtype(kind)
        if count < 0:
            raise ValueError(f"it claims {count:,} numbers")
        self._expect(count * kind.itemsize)
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def _expect(self, size: int) -> None:
        if size > self.left:
            raise ValueError(f"byte {self.at:,} is followed by {self.left:,} bytes, not {size:,}")


class Matrix(Protocol):
    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Rows by index, int [n] -> float32 [n, D]."""

    def whole(self) -> np.ndarray:
        """All rows, float32 [rows, D]; a dense matrix is not copied."""


@dataclass(frozen=True)
class Dense:
    """A dense matrix. bytes: uint8 [rows, 4 D], since an unaligned float32 matrix would have to be copied to read single rows."""

    bytes: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray) -> Dense:
        """A matrix from a float32 table [rows, D]."""
        return cls(np.ascontiguousarray(table).view(np.uint8))

    def __len__(self) -> int:
        return len(self.bytes)

    @property
    def dim(self) -> int:
        return self.bytes.shape[1] // 4

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.bytes.take(rows, axis=0, mode="clip").view("<f4")

    def whole(self) -> np.ndarray:
        return self.bytes.view("<f4")


@dataclass(frozen=True)
class Quantised:
    """A quantized matrix. codes: uint8 [rows, parts]; centroids: float32 [256, width] for each part; norms: uint8 [rows] codes
    and their float32 [256] values."""

    codes: np.ndarray
    centroids: list[np.ndarray]
    norms: tuple[np.ndarray, np.ndarray] | None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def dim(self) -> int:
        return sum(part.shape[1] for part in self.centroids)

    def take(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), self.dim), np.float32)
        codes, at = self.codes.take(rows, axis=0, mode="clip"), 0
        for part, centroids in enumerate(self.centroids):
            found[:, at : at + centroids.shape[1]] = centroids.take(codes[:, part], axis=0)
            at += centroids.shape[1]
        if self.norms is not None:
            of_row, values = self.norms
            found *= values[of_row.take(rows, mode="clip")][:, None]
        return found

    def whole(self) -> np.ndarray:
        return self.take(np.arange(len(self)))


def read(path: str, cursor: Cursor, *, quantized: bool, dim: int) -> Matrix:
    """Reads the matrix at the cursor. Raises ValueError, ModelError or OutputError if it is invalid or too large."""
    if quantized:
        return _read_quantised(cursor, dim)
    rows, columns = cursor.unpack(SIZES)
    if columns != dim:
        raise ValueError(f"a matrix of {rows:,} rows and {columns:,} columns")
    limits.check(path, words=max(rows, 1), dim=dim, room=cursor.left, each=4)
    return Dense(cursor.array(np.uint8, rows * columns * 4).reshape(rows, columns * 4))


def _read_quantised(cursor: Cursor, dim: int) -> Matrix:
    norms = cursor.flag()
    rows, columns = cursor.unpack(SIZES)
    (size,) = cursor.unpack(_CODES)
    if not (0 < columns == dim <= limits.LARGEST_DIM and 0 <= rows <= limits.MOST_WORDS and size >= 0):
        raise ValueError(f"a matrix of {rows:,} rows and {columns:,} columns")
    codes = cursor.array(np.uint8, size)
    centroids = _quantiser(cursor, dim)
    if size != rows * len(centroids):
        raise ValueError(f"{size:,} bytes of codes for {rows:,} rows of {len(centroids)} each")
    of_norms = (cursor.array(np.uint8, rows), _quantiser(cursor, 1)[0][:, 0]) if norms else None
    found = Quantised(codes.reshape(rows, len(centroids)), centroids, of_norms)
    return Dense.of(found.whole()) if 4 * rows * dim <= _SMALL else found


def _quantiser(cursor: Cursor, dim: int) -> list[np.ndarray]:
    """Centroids, float32 [256, width] for each part of a row; the last part may be narrower."""
    columns, parts, width, last = cursor.unpack(_QUANTISER)
    if not (columns == dim and 0 < last <= width <= dim and (parts - 1) * width + last == dim):
        raise ValueError(f"a quantiser of {columns:,} numbers in {parts:,} parts of {width:,}")
    values = cursor.array("<f4", dim * _CENTROIDS).astype(np.float32)
    if not np.isfinite(values).all():
        raise ModelError("the centroids contain NaN or infinity", cure=limits.CURE)
    cut = (parts - 1) * width * _CENTROIDS
    return [*values[:cut].reshape(parts - 1, _CENTROIDS, width), values[cut:].reshape(_CENTROIDS, last)]
