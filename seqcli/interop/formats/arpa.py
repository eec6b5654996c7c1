"""ARPA files of n-gram models, which are read and written; see `interop/arpa`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.data.files import opened, unpacked_name
from seqcli.errors import InputError, ModelError
from seqcli.files import file_type, regular

if TYPE_CHECKING:
    from seqcli.interfaces import Tokenizer
    from seqcli.interop.arpa.reading import Arpa
    from seqcli.ngram.table import Table

TOOL = "ARPA"
HOLDS = "n-gram models"
SUFFIXES = (".arpa", ".lm")
_DATA = re.compile(rb"^\\data\\[ \t]*\r?$", re.M)
_BEGINNING = 64  # bytes
_HEAD = 1 << 16  # bytes, decompressed, within which a file with another suffix must have the line \\data\\


def is_arpa(path: str) -> bool:
    """Whether a path is an ARPA file: by its suffix, unless the file is a model of another tool, or by the contents of a file
    with another suffix."""
    if os.path.isdir(path):
        return False
    if unpacked_name(path).lower().endswith(SUFFIXES):
        return not _is_recognised(path)
    return os.path.isfile(path) and _holds_arpa(path)


def _is_recognised(path: str) -> bool:
    """Whether this is a binary model of KenLM or fastText, which also use the suffixes .lm and .bin."""
    try:
        with regular.opened(path) as file:
            return file_type.recognised_model(file.read(_BEGINNING)) is not None
    except (OSError, ModelError):
        return False


def _holds_arpa(path: str) -> bool:
    try:
        with opened(path) as file:
            return _DATA.search(file.read(_HEAD)) is not None
    except InputError:
        return False


def read(path: Path, **how: Any) -> Arpa:
    """See `interop.arpa.reading.read`."""
    from seqcli.interop.arpa import reading

    return reading.read(path, **how)


def write(path: Path, table: Table, tokenizer: Tokenizer, unit: str = "line", *, exclusive: bool = False) -> None:
    """See `interop.arpa.writing.write`."""
    from seqcli.interop.arpa import writing

    writing.write(path, table, tokenizer, unit, exclusive=exclusive)
