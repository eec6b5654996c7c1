"""The base class of tokenizers of other tools: the ids of a file, renumbered so that `<unk>`, `<s>`, `</s>` come first.

Text is not normalised. `file_ids` is the id in the file of each of our ids, which is what users see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from seqcli.text import BOS_ID, SPECIAL_IDS, SPECIALS, UNK_ID, Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import digest, lines_of, write_file


class RenumberedTokenizer:
    """FILE: its name in a tokenizer folder; names: of the file's ids. A subclass implements `_saved` (the contents of that file),
    `_rows`, `_documents` and `text_of`."""

    KIND: str
    FILE: str
    specials = SPECIAL_IDS
    normalisation = Normalisation.NONE
    ends_rows: bool

    def _renumber(self, first: Sequence[int], names: dict[int, str], *, rows: int) -> list[int]:
        """Sets the ids. first: the file's ids of `<unk>`, `<s>`, `</s>`, -1 if there is none; rows: number of rows of the model's
        embedding, each of which has an id. Returns the file's ids of all other tokens, in order."""
        others = sorted({*names, *range(rows)} - set(first))
        self.file_ids = np.array([*first, *others], np.int64)  # [V]
        self.vocab_size, self._names = len(self.file_ids), names
        return others

    @property
    def _saved(self) -> bytes:
        raise NotImplementedError

    def _rows(self, texts: Sequence[str]) -> TokenBatch:
        """The tokens of lines, without their end tokens."""
        raise NotImplementedError

    def _documents(self, texts: Sequence[str]) -> TokenBatch:
        """As `_rows`, for texts that may contain line breaks."""
        return self._rows(texts)

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of the tokens of one line, as the other tool writes it."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        write_file(folder / self.FILE, self._saved)

    @cached_property
    def fingerprint(self) -> str:
        return digest(self.KIND.encode(), self._saved)

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        if unit == "document" and not self.ends_rows:
            return self.encode_documents([lines.decode()], learning=learning)
        batch = _learnt(self._rows(lines.decode().split("\n")[:-1]), learning)
        batch = TokenBatch.with_line_ends(batch.tokens, batch.lengths)
        return TokenBatch.one(batch.tokens) if unit == "document" else batch

    def encode_documents(self, documents: Sequence[str], *, learning: bool = False) -> TokenBatch:
        """The tokens of documents, one row each; tokens may span line breaks."""
        return _learnt(self._documents(documents), learning)

    def decode(self, ids: Iterable[int]) -> str:
        return "\n".join(self.text_of([id for id in line if id != BOS_ID]) for line in lines_of(ids))

    def vocabulary(self) -> list[str]:
        return [*SPECIALS, *(self._names.get(id, f"<unused {id}>") for id in self.file_ids[len(SPECIALS) :].tolist())]

    def file_vocabulary(self) -> dict[int, str]:
        return dict(sorted(self._names.items()))


def _learnt(batch: TokenBatch, learning: bool) -> TokenBatch:
    """In training text a literal `<s>` is an unknown token, since `<s>` separates rows."""
    if learning:
        batch.tokens[batch.tokens == BOS_ID] = UNK_ID
    return batch
