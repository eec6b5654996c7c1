"""Reads the algorithm and normalisation of a SentencePiece `.model` file, which the library does not expose.

The file is a protocol buffer message. Read are: of the trainer (field 2) the model type (3), of the normaliser (field 3) the name (1)
and whether a space is prepended (3), runs of spaces are merged (4) and spaces are replaced by U+2581 (5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from seqcli.errors import ModelError

UNIGRAM, BPE = 1, 2


class Kind(NamedTuple):
    algorithm: int
    plain: bool  # whether normalisation only prepends a space and replaces spaces by U+2581
    normalisation: str


def kind_of(model: bytes, *, where: str) -> Kind:
    """Reads a file. Raises ModelError if it is damaged."""
    try:
        parts = {number: value for number, value in _fields(model) if number in (2, 3)}
        trainer, normaliser = (dict(_fields(bytes(parts.get(number, b"")))) for number in (2, 3))
    except (IndexError, KeyError, ValueError, TypeError):
        raise ModelError("damaged SentencePiece model", where=where, cure="restore the file or train again") from None
    name = normaliser.get(1, b"nmt_nfkc")
    plain = not normaliser.get(2) and normaliser.get(3, 1) == 1 and normaliser.get(4, 1) == 0
    plain = plain and normaliser.get(5, 1) == 1 and not trainer.get(24)
    assert isinstance(name, bytes)
    return Kind(int(trainer.get(3, UNIGRAM)), plain, name.decode("utf-8", "replace"))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}[key & 7]
        if at + size > len(data):
            raise ValueError("a field is longer than the file")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
