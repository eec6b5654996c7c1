"""Foreign formats, a folder each, and how a path tells of one."""

import os
import re

from seqcli.data.files import opened, unpacked_name
from seqcli.errors import InputError, ModelError
from seqcli.files import file_type, regular

ARPA_SUFFIXES = (".arpa", ".lm")
_DATA = re.compile(rb"^\\data\\[ \t]*\r?$", re.M)
_BEGINNING = 64  # bytes
_HEAD = 1 << 16  # bytes, unpacked, in which a file of another name must have the line \\data\\


def is_arpa(path: str) -> bool:
    """Whether the path is that of an ARPA file: by its name, compressed or not, unless it is a model of another tool, or by what
    a file of another name holds."""
    if os.path.isdir(path):
        return False
    if unpacked_name(path).lower().endswith(ARPA_SUFFIXES):
        return not _is_recognised(path)
    return os.path.isfile(path) and _holds_arpa(path)


def _is_recognised(path: str) -> bool:
    """Whether it begins as a binary model of KenLM or fastText, which are called .lm and .bin alike."""
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
