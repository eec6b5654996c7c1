"""safetensors files: a streaming writer, and a reader that maps them into memory.

The library's writer needs all tensors in memory, and the tables of an n-gram model may be larger. This writer takes arrays
piece by piece, computes the checksum in the same pass and syncs the file. The reader checks every number of the header
before it maps the file, and copies nothing. The format is that of safetensors (8 bytes of header length, a JSON header, the
tensors); files are interchangeable with the library's.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash

from seqcli.errors import ModelError, listed
from seqcli.files import regular

_NAMES = {
    "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32, "I32": np.int32,
    "U64": np.uint64, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_,
}  # fmt: skip
_CODES = {np.dtype(dtype): name for name, dtype in _NAMES.items()}
_BITS = {"BF16": np.uint16}  # types that numpy lacks
_LARGEST_HEADER = 1 << 23  # enough for tens of thousands of tensors; parsed, a header takes 30 times as much memory
_MOST_TENSORS = 1 << 16
_MOST_AXES = 64  # numpy's limit
_CURE = "restore the file or train again"
_BLOCK = 1 << 24


class Tensor(NamedTuple):
    """A tensor to write: `pieces`, concatenated along the first axis, have the shape `shape`."""

    dtype: np.dtype
    shape: tuple[int, ...]
    pieces: Iterable[np.ndarray]


def tensor(array: np.ndarray) -> Tensor:
    return Tensor(array.dtype, array.shape, [array])


class Checksums(NamedTuple):
    """Checksums of a file, in hexadecimal. xxh3: XXH3 with 128 bits, at the speed of memory, to detect damage whenever a file
    is read."""

    sha256: str
    xxh3: str


def write(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> Checksums:
    """Writes and syncs `path`. Tensors are sorted by decreasing element size, so that all are aligned."""
    names = sorted(tensors, key=lambda name: -np.dtype(tensors[name].dtype).itemsize)
    header: dict = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name in names:
        dtype, shape = np.dtype(tensors[name].dtype), tensors[name].shape
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": _CODES[dtype], "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    sha256, xxh3 = hashlib.sha256(), xxhash.xxh3_128()
    with open(path, "wb") as file:
        for block in _bytes_of(head, [tensors[name] for name in names]):
            sha256.update(block)
            xxh3.update(block)
            file.write(block)
        assert file.tell() == 8 + len(head) + offset, "a tensor's pieces do not fill its shape"
        file.flush()
        os.fsync(file.fileno())
    return Checksums(sha256.hexdigest(), xxh3.hexdigest())


def _bytes_of(head: bytes, tensors: Iterable[Tensor]) -> Iterator[memoryview | bytes]:
    yield len(head).to_bytes(8, "little") + head
    for dtype, _, pieces in tensors:
        for piece in pieces:
            assert piece.dtype == dtype
            flat = np.ascontiguousarray(piece).data.cast("B") if piece.size else b""
            for start in range(0, len(flat), _BLOCK):
                yield flat[start : start + _BLOCK]


class Stored(NamedTuple):
    """A tensor in a file, mapped into memory read-only. dtype: the name in the format; BF16 is given as its bits, uint16."""

    dtype: str
    array: np.ndarray


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file written by seqcli, mapped into memory read-only.

    Raises ModelError if the header is not valid; nothing is allocated before.
    """
    return {name: array for name, (_, array) in _mapped(path, _NAMES, cure=_CURE).items()}


def read_foreign(path: Path, *, cure: str) -> dict[str, Stored]:
    """The tensors of a file written by another tool. Raises ModelError as `read` does, with the given cure."""
    return _mapped(path, _NAMES | _BITS, cure=cure)


def _mapped(path: Path, types: Mapping[str, type[np.generic]], *, cure: str) -> dict[str, Stored]:
    try:
        with regular.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            start, fields = _header(file.read(8), file, size, types)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return {
            name: Stored(
                code, np.frombuffer(data, dtype=types[code], count=count, offset=start + offset).reshape(shape)
            )
            for name, (code, shape, offset, count) in fields.items()
        }
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=str(path), cure=cure) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"damaged safetensors file ({error})", where=str(path), cure=cure) from None


def _header(length: bytes, file, size: int, types: Mapping[str, type[np.generic]]):
    claimed = int.from_bytes(length, "little")
    if len(length) < 8 or claimed > size - 8:
        raise ValueError("header longer than the file")
    if claimed > _LARGEST_HEADER:
        raise ValueError(f"header of {claimed:,} bytes, at most {_LARGEST_HEADER:,} expected")
    header = json.loads(file.read(claimed), object_pairs_hook=_without_duplicates)
    if not isinstance(header, dict):
        raise ValueError("header is not an object")
    header.pop("__metadata__", None)
    if len(header) > _MOST_TENSORS:
        raise ValueError(f"header of {len(header):,} tensors, at most {_MOST_TENSORS:,} expected")
    fields, spans = {}, []
    for name, entry in header.items():
        code, shape = entry["dtype"], tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        if code not in types:
            raise ValueError(f"{listed([name])} has numbers of the unknown type {listed([str(code)])}")
        if len(shape) > _MOST_AXES or not all(type(n) is int and 0 <= n < 1 << 63 for n in (*shape, begin, end)):
            raise ValueError(f"bad shape or offsets of {listed([name])}")
        itemsize = np.dtype(types[code]).itemsize
        count = math.prod(shape)
        if end - begin != count * itemsize or end > size - 8 - claimed:
            raise ValueError(f"{listed([name])} does not fit the file")
        fields[name] = (code, shape, begin, count)
        spans.append((begin, end))
    spans.sort()
    edges = [0, *(end for _, end in spans)]
    if [begin for begin, _ in spans] != edges[:-1] or edges[-1] != size - 8 - claimed:
        raise ValueError("tensors do not fill the file")
    return 8 + claimed, fields


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in the header")
    return found


def sha256_of(path: Path) -> str:
    with regular.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def xxh3_of(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with regular.opened(path) as file:
        while block := file.read(1 << 20):  # small enough to stay in the cache
            digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Flushes the contents of a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
