"""Characters: one token per code point of the NFC text, whole blocks at a time.

The vocabulary is learnt: frequent characters first, then the earlier ones; the others are `<unk>`. With
`unit="line"` a line feed ends a row with `</s>`; with `unit="document"` it is a character and there is no `</s>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np

from seqcli.errors import InputError, ModelError
from seqcli.files import regular
from seqcli.interfaces import Piece
from seqcli.text import SPECIAL_IDS, SPECIALS, UNK, UNK_ID, Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import CURE, digest, lines_of, lowered, rows_ended_at, span, write_file

KIND = "characters"
FILE = "characters.json"
_LINE_FEED = 0x0A
_AT_ONCE = 1 << 12  # characters


def code_points(text: str) -> np.ndarray:
    """The code points of a text, uint32: "aé" gives [97, 233]."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


class Characters:
    """A vocabulary of `characters` in the order of their ids, id 3 first."""

    KIND = KIND
    specials = SPECIAL_IDS
    ends_rows = False
    normalisation = Normalisation.NFC

    def __init__(self, characters: str):
        points = code_points(characters)
        self._characters = characters
        self.vocab_size = len(points) + len(SPECIALS)
        self._ids = np.full(int(points.max(initial=_LINE_FEED)) + 2, UNK_ID, np.int32)  # larger code points are clipped
        self._ids[points] = np.arange(len(SPECIALS), self.vocab_size)

    @cached_property
    def fingerprint(self) -> str:
        return digest(KIND.encode(), self._characters.encode())

    @classmethod
    def load(cls, folder: Path) -> Characters:
        try:
            characters = regular.read_json(folder / FILE, largest=regular.LARGEST_READ)["characters"]
            sound = isinstance(characters, str) and len(set(characters)) == len(characters.encode("utf-32-le")) // 4
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise ModelError("damaged vocabulary", where=str(folder / FILE), cure=CURE)
        return cls(characters)

    def save(self, folder: Path) -> None:
        write_file(folder / FILE, json.dumps({"characters": self._characters}, ensure_ascii=False).encode())

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        points = code_points(self.normalisation.text(lines.decode()))
        tokens = self._ids.take(points, mode="clip")
        return rows_ended_at(points == _LINE_FEED, tokens, unit=unit)

    def pieces(self, text: str) -> Iterator[Piece]:
        same, origin = self.normalisation.spans(text)
        for begin in range(0, len(same), _AT_ONCE):
            some = same[begin : begin + _AT_ONCE]
            ids = self._ids.take(code_points(some), mode="clip").tolist()
            for place, char, id in zip(count(begin), some, ids):
                yield Piece(char, id, *span(origin, place, place + 1))

    def join(self, pieces: Iterable[str]) -> str:
        return "".join(pieces)

    def decode(self, ids: Iterable[int]) -> str:
        shown = [UNK, "", "", *self._characters]
        return "\n".join("".join(shown[i] for i in line) for line in lines_of(ids))

    def vocabulary(self) -> list[str]:
        return [*SPECIALS, *self._characters]


load = Characters.load


def train(
    blocks: Iterable[bytes], *, vocab_size: int | None = None, min_count: int = 1, unit: str = "line"
) -> tuple[Characters, list[str]]:
    """Learns the characters of a text, at most `vocab_size` with the special symbols; the line feed only for documents."""
    counts = np.zeros(0x110000, np.int64)
    seen: list[np.ndarray] = []  # in the order of first appearance
    for block in blocks:
        points = code_points(Characters.normalisation.text(block.decode()))
        new, first = np.unique(points[counts[points] == 0], return_index=True)
        seen.append(new[np.argsort(first)])
        here = np.bincount(points)
        counts[: len(here)] += here
    order = np.concatenate([np.zeros(0, "<u4"), *seen])
    if unit == "line":
        order = order[order != _LINE_FEED]
    if not len(order):
        raise InputError("no text to build a vocabulary from")
    order = order[counts[order] >= min_count]
    order = order[np.argsort(-counts[order], kind="stable")]
    if vocab_size is not None:
        order = order[: max(0, vocab_size - len(SPECIALS))]
    tokenizer = Characters(order.tobytes().decode("utf-32-le"))
    return tokenizer, lowered(vocab_size, tokenizer.vocab_size)
