"""Tokenizers, one file each, and what they share: their folder on disk, line ends, spans, fingerprints.

A tokenizer's file offers `KIND` (its own name), a class after `interfaces.Tokenizer`, and the functions

    load(folder) -> tokenizer
    train(blocks, *, vocab_size=None, min_count=1, unit="line") -> (tokenizer, notes)

where `blocks` are UTF-8, every line ended by a line feed, and `notes` are lines for the user: what was lowered,
replaced or left out. Those in `catalog.FOREIGN_TOKENIZERS` come with models of other tools and are not trained. The folder holds `tokenizer.json` (kind and fingerprint) and the tokenizer's own file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqcli import catalog
from seqcli.errors import ModelError, nearest
from seqcli.files import regular
from seqcli.text import EOS_ID, Normalisation
from seqcli.token_batch import TokenBatch

if TYPE_CHECKING:
    from seqcli.interfaces import Tokenizer

FILE = "tokenizer.json"
CURE = "restore the file or train again"
_QUICKLY_READ = 4 << 20  # bytes up to which files are verified whenever they are opened
_FOREIGN_FILES = (
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("source.spm", "target.spm"),
    ("tokenizer.model", "config.json"),
    ("spiece.model", "config.json"),
)
_LIBRARY = re.compile(rb'"(truncation|padding|added_tokens|normalizer|pre_tokenizer|post_processor|model)"\s*:')


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes a tokenizer into an existing folder."""
    tokenizer.save(folder)
    about = {
        "kind": tokenizer.KIND,
        "vocab_size": tokenizer.vocab_size,
        "normalisation": tokenizer.normalisation.value,
        "fingerprint": tokenizer.fingerprint,
    }
    write_file(folder / FILE, (json.dumps(about) + "\n").encode())


def load(folder: Path, *, verify: bool = False) -> Tokenizer:
    """The tokenizer of a folder.

    Its fingerprint is compared with the recorded one, except of a large vocabulary that stays mapped into memory (its
    module has `MAPPED`), unless `verify` says so: one sentence should not wait for 50 MB of words. Raises ModelError.
    """
    try:
        about = regular.read_json(folder / FILE)
        kind, vocab_size, fingerprint = (about[name] for name in ("kind", "vocab_size", "fingerprint"))
        normalisation = Normalisation(about.get("normalisation", "nfc"))  # missing in folders of earlier versions
    except (ValueError, KeyError, TypeError):
        raise ModelError("damaged tokenizer", where=str(folder / FILE), cure=CURE) from None
    if kind not in (known := catalog.names("tokenizers")):
        raise ModelError(f"unknown tokenizer kind {kind!r}", where=str(folder / FILE), cure=nearest(str(kind), known))
    module = catalog.load("tokenizers", kind)
    tokenizer = module.load(folder)
    tokenizer.normalisation = normalisation
    quick = (
        not getattr(module, "MAPPED", False) or sum(file.stat().st_size for file in folder.iterdir()) < _QUICKLY_READ
    )
    if tokenizer.vocab_size != vocab_size or ((quick or verify) and tokenizer.fingerprint != fingerprint):
        raise ModelError("tokenizer does not match its fingerprint", where=str(folder), cure=CURE)
    tokenizer.fingerprint = fingerprint
    return tokenizer


def foreign(path: Path) -> bool:
    """Whether a folder, or a file such as tokenizer.json, contains the tokenizer of a Hugging Face model."""
    if path.is_dir():
        if (path / FILE).is_file():
            return foreign(path / FILE)
        return any(all((path / name).is_file() for name in names) for names in _FOREIGN_FILES)
    if path.suffix not in (".json", ".txt") or not path.is_file():
        return False
    if path.name == "vocab.txt":
        return True
    with regular.opened(path) as file:
        return _LIBRARY.search(file.read(1 << 10)) is not None


def open_foreign(path: Path) -> Tokenizer:
    """Opens the tokenizer of a Hugging Face model in a folder or file. Raises ModelError."""
    module = catalog.load("tokenizers", "huggingface")
    return module.open_folder(path) if path.is_dir() else module.open_file(path)


def digest(*contents: bytes | memoryview) -> str:
    """The fingerprint of a tokenizer: the first 16 hexadecimal digits of the SHA-256 of its contents."""
    sha = hashlib.sha256()
    for content in contents:
        sha.update(content)
    return sha.hexdigest()[:16]


def write_file(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_file(path: Path) -> bytes:
    try:
        return regular.read(path)
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=str(path), cure=CURE) from None


def rows_ended_at(line_feeds: np.ndarray, tokens: np.ndarray, *, unit: str) -> TokenBatch:
    """Rows of byte or character tokens. line_feeds: bool [P]; with unit "line", each becomes the `</s>` of a row."""
    if unit == "document":
        return TokenBatch.one(tokens)
    ends = np.flatnonzero(line_feeds)
    tokens[ends] = EOS_ID
    return TokenBatch(tokens, np.diff(ends, prepend=-1))


def lines_of(ids: Iterable[int], *, end: int = EOS_ID) -> list[list[int]]:
    """Splits token ids into lines: each ends with `</s>`, except possibly the last. Ids 5 6 2 7 2 are the lines [5, 6] and
    [7]."""
    lines: list[list[int]] = [[]]
    same: dict[int, int] = {}  # share one object per id: separate ones for a long line would take most of the memory
    for id in ids:
        if id == end:
            lines.append([])
        else:
            lines[-1].append(same.setdefault(id, int(id)))
    return lines if len(lines) == 1 or lines[-1] else lines[:-1]


def span(origin: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """The positions of characters `[start, end)` of a normalised text in the text as given (see `Normalisation.spans`)."""
    if start < end:
        last = origin[end - 1]
        while end < len(origin) - 1 and origin[end] == last:
            end += 1
    return origin[start], origin[end]


def lowered(requested: int | None, actual: int) -> list[str]:
    """The note on a vocabulary smaller than requested because the text has too few words or subwords."""
    if requested is None or actual >= requested:
        return []
    return [f"vocabulary lowered from {requested:,} to {actual:,}: the text is too small for more"]
