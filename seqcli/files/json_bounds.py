"""Checks the size and depth of untrusted JSON before it is parsed: a parser needs about a hundred bytes per value, and stack
space for nesting."""

from __future__ import annotations

import numpy as np

from seqcli.errors import ModelError

DEEPEST = 64  # nested objects and arrays
MOST = 3_000_000  # number of values: a vocabulary of 260,000 tokens and its merges, which are arrays, has 2 million
_PART = 1 << 20  # bytes
_QUOTE, _COMMA, _OPENING, _CLOSING = b'"', b",", b"[{", b"]}"


def check(data: bytes, *, where: str, deepest: int = DEEPEST, most: int = MOST) -> None:
    """Raises ModelError if objects and arrays are nested more than `deepest` levels, or there are more than `most` values."""
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
