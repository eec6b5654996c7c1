r"""Tokens separated by spaces: characters inside a token are escaped in TSV and on a terminal as in TSV fields, and a
space is `\x20`. JSON has the tokens unescaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seqcli.text import tsv_field

_PIECE = re.compile("[^ ]+")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[\\tn])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n"}


def escaped(piece: str) -> str:
    return tsv_field(piece).replace(" ", "\\x20")


def unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1]) or chr(int(m[1][1:], 16)), field)


def pieces_in(record: str) -> Iterator[str]:
    """The tokens that a row contains."""
    return (unescaped(match[0]) for match in _PIECE.finditer(record))
