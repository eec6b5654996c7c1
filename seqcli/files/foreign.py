"""Reads files of untrusted folders: only regular files of bounded size inside the folder, and JSON that is safe to parse."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.errors import ModelError
from seqcli.files import regular

CURE = "download the file again"
_HASH = re.compile(r"[0-9a-f]{64}")
DEEPEST_JSON = 64  # nested objects and arrays
MOST_VALUES = (
    3_000_000  # number of values: a vocabulary of 260,000 tokens and its merges, which are arrays, has 2 million
)
_PART = 1 << 20  # bytes
_QUOTE, _COMMA, _OPENING, _CLOSING = b'"', b",", b"[{", b"]}"


def find(folder: Path | str, name: str) -> Path | None:
    """The path of a file in the folder; None if there is no such file.

    Raises ModelError for a link that leads neither into the folder nor to the blobs of its repository.
    """
    path = Path(folder) / name
    if not os.path.lexists(path):
        return None
    real, inside = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    if not real.is_relative_to(inside) and not _is_blob(real, inside):
        raise ModelError("a link out of the folder", where=str(path), cure="copy the file itself")
    return path


def _is_blob(path: Path, folder: Path) -> bool:
    """Whether a file is a blob of the repository, if the folder is REPOSITORY/snapshots/REVISION in the cache of
    `huggingface_hub`: REPOSITORY/blobs/HASH, or blobs/HA/HASH beside the repositories, shared by several."""
    if folder.parent.name != "snapshots":
        return False
    repository = folder.parents[1]
    own, shared = repository / "blobs", repository.parent / "blobs" / path.name[:2]
    return path.parent == own or (path.parent == shared and _HASH.fullmatch(path.name) is not None)


def read(folder: Path | str, name: str, *, largest: int = regular.LARGEST_READ) -> bytes:
    """The bytes of a file in the folder. Raises ModelError, also if it does not exist."""
    path = find(folder, name)
    if path is None:
        raise ModelError(f"no {name} in the folder", where=str(folder), cure=CURE)
    try:
        return regular.read(path, largest=largest)
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=str(path), cure=CURE) from None


def read_json(folder: Path | str, name: str) -> dict[str, Any] | None:
    """The JSON object in a file of the folder; None if there is no such file. Raises ModelError."""
    return _read_json(folder, name, dict, "object")


def read_json_list(folder: Path | str, name: str) -> list[Any] | None:
    """The JSON array in a file of the folder; None if there is no such file. Raises ModelError."""
    return _read_json(folder, name, list, "array")


def _read_json(folder: Path | str, name: str, kind: type, called: str, *, largest: int = regular.LARGEST_JSON) -> Any:
    if find(folder, name) is None:
        return None
    data, where = read(folder, name, largest=largest), str(Path(folder) / name)
    check_json(data, where=where)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"damaged ({error})", where=where, cure=CURE) from None
    if not isinstance(value, kind):
        raise ModelError(f"damaged (not a JSON {called})", where=where, cure=CURE)
    return value


def read_ids(folder: Path | str, name: str, *, below: int) -> dict[str, int]:
    """A vocabulary: token -> id. Raises ModelError if the file does not exist or an id is not in [0, below)."""
    found = _read_json(folder, name, dict, "object", largest=regular.LARGEST_READ)
    if found is None:
        raise ModelError(f"no {name} in the folder", where=str(folder), cure=CURE)
    if not found or not all(type(id) is int and 0 <= id < below for id in found.values()):
        raise ModelError(f"damaged (ids are numbers below {below:,})", where=str(Path(folder) / name), cure=CURE)
    return found


def read_lines(folder: Path | str, name: str, *, most: int) -> list[str]:
    """The lines of a UTF-8 file, at most `most`, without surrounding white space. Raises ModelError."""
    data = read(folder, name)
    if (count := data.count(b"\n")) > most:
        raise ModelError(f"{count:,} lines, at most {most:,} expected", where=str(Path(folder) / name), cure=CURE)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ModelError("not UTF-8", where=str(Path(folder) / name), cure=CURE) from None
    return [line.rstrip() for line in text.removesuffix("\n").split("\n")]


def content(value: Any) -> str | None:
    """The text of a special token: a string, or the `content` of an object."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) and value else None


def check_json(data: bytes, *, where: str, deepest: int = DEEPEST_JSON, most: int = MOST_VALUES) -> None:
    """Checks untrusted JSON before it is parsed, which takes about a hundred bytes per value, and stack space for nesting.

    Raises ModelError if objects and arrays are nested more than `deepest` levels, or there are more than `most` values.
    """
    plain = data.replace(b"\\\\", b"__").replace(b'\\"', b"__")  # the remaining quotes delimit strings
    codes = np.frombuffer(plain, np.uint8)
    inside, depth, count = False, 0, 0
    for begin in range(0, len(codes), _PART):
        part = codes[begin : begin + _PART]
        quotes = (part == _QUOTE[0]).cumsum() & 1
        outside = (quotes ^ inside) == 0
        opening = ((part == _OPENING[0]) | (part == _OPENING[1])) & outside
        closing = ((part == _CLOSING[0]) | (part == _CLOSING[1])) & outside
        levels = depth + np.cumsum(opening.astype(np.int32) - closing)
        count += int(np.count_nonzero(opening | ((part == _COMMA[0]) & outside)))
        if levels.max(initial=0) > deepest or count > most:
            what = f"nested more than {deepest} levels deep" if count <= most else f"more than {most:,} values"
            raise ModelError(f"not a sound file ({what})", where=where, cure="download the file again")
        inside, depth = inside ^ bool(quotes[-1]), int(levels[-1])
