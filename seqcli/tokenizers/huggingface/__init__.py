"""Tokenizers of Hugging Face models, computed by the `tokenizers` library: byte-level BPE, WordPiece, Unigram.

A tokenizer is opened (`open_folder`, `open_file`), never trained. Its ids are renumbered: `<unk>`, `<s>`, `</s>` first,
then all other tokens in the file's order; `file_ids` are the ids of the file, which are those of `transformers`.
Special tokens around a text are added by seqcli. Those written in a text are recognised as in the library: `<|endoftext|>` is that
token anywhere, unless the file sets `split_special_tokens`.

Text is not normalised by seqcli. The normalisation of the tokenizer (WordPiece: case, accents, white space) is not undone by
decoding. The library uses a single thread, since the package has its own processes and the library's threads do not survive a
fork.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqcli.errors import ModelError
from seqcli.files import foreign
from seqcli.interfaces import Piece
from seqcli.text import BOS_ID, EOS_ID, SPECIALS, UNK_ID
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import CURE, read_file
from seqcli.tokenizers._renumbered import RenumberedTokenizer
from seqcli.tokenizers.huggingface import pipeline
from seqcli.tokenizers.huggingface.pipeline import Opened

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from seqcli.tokenizers.marian import Marian

KIND = "huggingface"
FILE = "huggingface.json"

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # read by the library at every call

_LONG = 1 << 16  # characters passed to the library at a time: it needs a few hundred bytes for each
_AROUND = 256  # characters on each side of a cut that are compared to check that it does not change the tokens
_TRIED = 16  # maximum number of positions tried for a cut
_MOST = 1 << 24  # ids
_AT_ONCE = 1 << 16  # characters per batch, so that the results fit the CPU cache
_PIECE_FILES = ("tokenizer.model", "spiece.model")
_BETWEEN_WORDS = re.compile(r"(?<=[^\s]) (?=[^\s])")


class HuggingFace(RenumberedTokenizer):
    """A tokenizer of the library, with the file's ids of its special tokens."""

    KIND, FILE = KIND, FILE
    spaces_follow: bool  # set where pieces include spaces: such a tokenizer is a `Subwords`

    def __init__(self, opened: Opened):
        self._opened, self._library = opened, opened.library
        self._where = opened.where
        vocabulary = self._library.get_vocab(with_added_tokens=True)
        size = self._library.get_vocab_size(with_added_tokens=False)  # added tokens may have no row
        if 0 < opened.rows < size:
            what = f"has {size:,} tokens, but the model has embeddings for {opened.rows:,}"
            raise ModelError(what, where=self._where, cure="give the model its own tokenizer")
        first = [-1 if id is None else id for id in (opened.unk, opened.bos, opened.eos)]
        others = self._renumber(first, {id: token for token, id in vocabulary.items()}, rows=opened.rows)
        self.mask_id = opened.mask  # id of the mask token in the file, if there is one
        last = max(*vocabulary.values(), *others, 0)
        self._ours = np.full(last + 1, UNK_ID, np.int32)  # of each of the file's ids
        self._ours[others] = np.arange(len(SPECIALS), self.vocab_size)
        for ours in (UNK_ID, BOS_ID, EOS_ID):  # a token with several roles is `</s>`, which every model predicts
            if self.file_ids[ours] >= 0:
                self._ours[self.file_ids[ours]] = ours
        with pipeline.guarded(self._where):
            self.ends_rows = "\n" not in self._library.decode(self._encoded("a\nb").ids, skip_special_tokens=False)
            tokens = self._encoded("a a").tokens
        marks = (mark for mark in pipeline.SPACES if any(token.startswith(mark) for token in tokens))
        self.space = next(marks, None)  # as pieces write it
        if self.space:
            self.spaces_follow = False

    @property
    def opened(self) -> Opened:
        """The library's tokenizer, with the file's ids."""
        return self._opened

    @classmethod
    def load(cls, folder: Path) -> HuggingFace:
        where = str(folder / FILE)
        header, _, data = read_file(folder / FILE).partition(b"\n")
        try:
            ids = json.loads(header)
            specials = {name: ids[name] for name in ("unk", "bos", "eos", "mask")}
            rows, plain = ids.get("rows", 0), ids.get("plain") is True
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ModelError("damaged vocabulary", where=where, cure=CURE) from None
        library = pipeline.from_json(data, where=where, plain=plain)
        opened = Opened(library, where, **specials, rows=rows, plain=plain)
        known = set(opened.library.get_vocab(with_added_tokens=True).values())
        sound = type(rows) is int and 0 <= rows < _MOST
        if not sound or not all(id is None or (type(id) is int and id in known) for id in specials.values()):
            raise ModelError("damaged vocabulary", where=where, cure=CURE)
        return cls(opened)

    @cached_property
    def _saved(self) -> bytes:
        """The file's ids of the special tokens as a line, followed by the file of the library."""
        opened = self._opened
        header = {"unk": opened.unk, "bos": opened.bos, "eos": opened.eos, "mask": opened.mask, "rows": opened.rows}
        if opened.plain:
            header["plain"] = True
        return json.dumps(header).encode() + b"\n" + self._library.to_str().encode()

    def _rows(self, texts: Sequence[str]) -> TokenBatch:
        found: list[np.ndarray] = []
        lengths = np.zeros(len(texts), np.int64)
        for begin, end in _groups(texts):
            if len(texts[begin]) > _LONG:
                parts = self._parts(texts[begin])
                ids = [np.array(self._encoded(part, first=at == 0).ids, np.int64) for at, part in parts]
                found += ids
                lengths[begin] = sum(map(len, ids))
            else:
                with pipeline.guarded(self._where, quiet=False):
                    encodings = self._library.encode_batch_fast(texts[begin:end], add_special_tokens=False)
                rows = [encoding.ids for encoding in encodings]
                lengths[begin:end] = np.fromiter(map(len, rows), np.int64, len(rows))
                found.append(np.fromiter(chain.from_iterable(rows), np.int64))
        tokens = self._ours[np.concatenate(found)] if found else np.zeros(0, np.int32)
        return TokenBatch(tokens, lengths)

    def pieces(self, text: str) -> Iterator[Piece]:
        for at, part in self._parts(text):
            found = self._encoded(part, first=at == 0)
            ids = self._ours[np.array(found.ids, np.int64)].tolist()
            for token, id, (start, end) in zip(found.tokens, ids, found.offsets):
                yield Piece(token, id, at + start, at + end)

    def text_of(self, ids: Sequence[int]) -> str:
        known = [id for id in self.file_ids[np.array(ids, np.int64)].tolist() if id >= 0]
        return self._library.decode(known, skip_special_tokens=False)

    def join(self, pieces: Iterable[str]) -> str:
        decoder = self._library.decoder
        return decoder.decode(list(pieces)) if decoder else " ".join(pieces)

    def _encoded(self, text: str, *, first: bool = True) -> Encoding:
        """first: whether it is the beginning of a text, to which the library may prepend a space."""
        with pipeline.guarded(self._where, quiet=False):
            library = self._library if first else self._continuing
            return library.encode(text, add_special_tokens=False)

    @cached_property
    def _continuing(self) -> Tokenizer:
        return pipeline.without_prefix(self._library)

    def _parts(self, text: str) -> Iterator[tuple[int, str]]:
        """The parts of a text that are encoded one by one, and their offsets; a short text is one part.

        A text is cut where this does not change the tokens around the cut, between words if possible.
        """
        start, middle = 0, _LONG // 2
        while len(text) - middle > _LONG // 2:
            if cut := self._cut(text, middle):
                yield start, text[start:cut]
                start = middle = cut
            middle += _LONG // 2
        yield start, text[start:]

    def _cut(self, text: str, middle: int) -> int | None:
        """A position in `text[middle : middle + _LONG // 2]` for a cut."""
        for found in islice(_BETWEEN_WORDS.finditer(text, middle, middle + _LONG // 2), _TRIED):
            if self._may_cut(text, found.start()):
                return found.start()
        around = self._encoded(text[middle - _AROUND : middle + _AROUND], first=False).offsets
        places = (middle - _AROUND + begin for begin, _ in around[len(around) // 2 :])
        return next((place for place in islice(places, _TRIED) if self._may_cut(text, place)), None)

    def _may_cut(self, text: str, place: int) -> bool:
        sides = text[place - _AROUND : place], text[place : place + _AROUND]
        before, after, both = (self._encoded(part, first=False).ids for part in (*sides, "".join(sides)))
        return both == before + after


load = HuggingFace.load


def open_folder(path: Path, *, rows: int = 0) -> HuggingFace | Marian:
    """The tokenizer in the folder of a Hugging Face model; for a translator with two, that of the source.

    rows: of the model's embedding, which may be padded to more than the number of tokens. Raises ModelError if there is no valid
    tokenizer.
    """
    path = Path(path)
    if not pipeline.has_one(path):
        from seqcli.tokenizers import marian

        if foreign.find(path, "source.spm") is not None:
            return marian.open_sides(path)[0]
        for name in _PIECE_FILES:
            if foreign.find(path, name) is not None:
                return marian.open_piece_file(path, name)
    return HuggingFace(replace(pipeline.of_folder(path), rows=rows))


def open_file(path: Path) -> HuggingFace:
    """Opens a tokenizer.json or vocab.txt, with the settings in its folder, such as the names of special tokens."""
    return HuggingFace(pipeline.of_folder(Path(path).parent, only=Path(path).name))


def _groups(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Texts by their numbers, `_AT_ONCE` characters at a time; a long text stands alone."""
    begin, size = 0, 0
    for index, text in enumerate(texts):
        if size and size + len(text) > (_LONG if len(text) > _LONG else _AT_ONCE):
            yield begin, index
            begin, size = index, 0
        size += len(text) if len(text) <= _LONG else _AT_ONCE
    if begin < len(texts):
        yield begin, len(texts)
