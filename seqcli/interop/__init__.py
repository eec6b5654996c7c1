"""Foreign formats, a folder each, and how a path tells of one."""

import os
import re

from seqcli.data.files import opened, unpacked_name
from seqcli.errors import InputError

ARPA_SUFFIXES = (".arpa", ".lm")
_DATA = re.compile(rb"^\\data\\[ \t]*\r?$", re.M)
_HEAD = 1 << 16  # bytes, unpacked, in which a file of another name must have the line \\data\\


def is_arpa(path: str) -> bool:
    """Whether the path is that of an ARPA file: by its name, compressed or not, or by what a file of another name holds."""
    if os.path.isdir(path):
        return False
    return unpacked_name(path).lower().endswith(ARPA_SUFFIXES) or (os.path.isfile(path) and _holds_arpa(path))


def _holds_arpa(path: str) -> bool:
    try:
        with opened(path) as file:
            return _DATA.search(file.read(_HEAD)) is not None
    except InputError:
        return False
