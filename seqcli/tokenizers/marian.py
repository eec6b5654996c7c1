"""SentencePiece pieces with the ids of a separate vocabulary: the tokenizers of Marian translators (opus-mt).

Source and target each have a SentencePiece model, whose ids are not used: pieces are looked up in vocab.json, and missing
pieces are `<unk>`. `<s>` is the padding token, with which translations begin. A target language `>>de<<` before a source is one
token, and special tokens written in a text are recognised. A single SentencePiece file (Llama's tokenizer.model) is its own
vocabulary.

As in `huggingface`, ids are renumbered, `file_ids` are the ids of the files, and text is not normalised.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.errors import ModelError
from seqcli.files import foreign
from seqcli.interfaces import Piece
from seqcli.text import BOS_ID, EOS_ID, SPACE_MARK, SPECIALS, UNK_ID, Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import CURE, read_file
from seqcli.tokenizers._renumbered import RenumberedTokenizer
from seqcli.tokenizers.sentencepiece import SentencePiece

KIND = "marian"
FILE = "marian.model"

_MOST = 1 << 22  # maximum size of a vocabulary
_OWN_TEXT = (
    "albert",
    "xlnet",
    "fnet",
    "rembert",
    "deberta-v2",
)  # these first lower-case, strip accents or split digits
_LANGUAGE = re.compile(r">>.*?<<", re.DOTALL)


class Marian(RenumberedTokenizer):
    """A tokenizer of one side. model: contents of a SentencePiece file; ids: of the tokens of the vocabulary, all different;
    specials: its names of `<unk>`, `<s>`, `</s>`, None if there is none; rows: number of rows of the model's embedding, each of which
    has an id; tokens beyond them are unknown."""

    KIND, FILE = KIND, FILE
    mask_id: int | None = None
    space = SPACE_MARK

    def __init__(self, model: bytes, ids: dict[str, int], specials: Sequence[str | None], *, where: str, rows: int = 0):
        if rows:
            ids = {token: id for token, id in ids.items() if id < rows}
        self._size = rows
        self._model, self._ids, self._special_names, self._where = model, ids, tuple(specials), where
        self._pieces = SentencePiece(model, where=where)
        self._pieces.normalisation = Normalisation.NONE
        self.spaces_follow = self._pieces.spaces_follow
        first = [-1 if name is None else ids[name] for name in specials]
        others = self._renumber(first, {id: token for token, id in ids.items()}, rows=rows)
        ours = {id: number for number, id in enumerate(others, len(SPECIALS))}
        for number in (UNK_ID, BOS_ID, EOS_ID):
            ours[int(self.file_ids[number])] = number
        self._numbers = {token: ours[id] for token, id in ids.items()}
        self._of_pieces = np.array([self._number(piece) for piece in self._pieces.vocabulary()], np.int32)
        names = sorted(filter(None, {*specials, *({"<pad>"} & ids.keys())}), key=len, reverse=True)
        self._written = re.compile("|".join(map(re.escape, names)))
        self.ends_rows = "<0x0A>" not in self._own

    @cached_property
    def languages(self) -> list[str]:
        """The target languages that a source may begin with, such as `>>de<<`."""
        return sorted(token for token in self._ids if _LANGUAGE.fullmatch(token))

    def unknown_language(self, text: str) -> str | None:
        """The target language that a text begins with, if the vocabulary does not have it."""
        found = _LANGUAGE.match(text)
        return found[0] if found and found[0] not in self._ids else None

    @property
    def files(self) -> tuple[bytes, dict[str, int], tuple[str | None, ...], int]:
        """The parts of the tokenizer: the SentencePiece file, the vocabulary, its special tokens, the number of rows of the embedding."""
        return self._model, self._ids, self._special_names, self._size or int(self.file_ids.max()) + 1

    @cached_property
    def _own(self) -> frozenset[str]:
        """The pieces of the SentencePiece model, if that is the vocabulary."""
        pieces = self._pieces.vocabulary()
        return frozenset(pieces if self._ids == {piece: id for id, piece in enumerate(pieces)} else ())

    @classmethod
    def load(cls, folder: Path) -> Marian:
        where = str(folder / FILE)
        header, _, model = read_file(folder / FILE).partition(b"\n")
        try:
            saved = json.loads(header)
            ids, specials = saved["ids"], saved["specials"]
            sound = len(specials) == len(SPECIALS) and all(name is None or name in ids for name in specials)
            rows = saved.get("rows", 0)
            sound = sound and type(rows) is int and 0 <= rows < _MOST
            sound = sound and all(type(id) is int and 0 <= id < (rows or _MOST) for id in ids.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            sound = False
        if not sound:
            raise ModelError("damaged vocabulary", where=where, cure=CURE)
        return cls(model, ids, specials, where=where, rows=rows)

    @cached_property
    def _saved(self) -> bytes:
        """The vocabulary as a line, and the SentencePiece file."""
        about = {"specials": self._special_names, "ids": self._ids, "rows": self._size}
        return json.dumps(about, ensure_ascii=False).encode() + b"\n" + self._model

    def _rows(self, rows: Sequence[str]) -> TokenBatch:
        languages = [_LANGUAGE.match(row) for row in rows]
        rests = [row[found.end() :] if found else row for row, found in zip(rows, languages)]
        batch = self._pieces.encode(("\n".join(rests) + "\n").encode() if rows else b"").without_last()
        tokens = self._of_pieces[batch.tokens]
        alone = {  # rows that are not their pieces one by one: unknown characters may have an id in the vocabulary
            index
            for index in np.unique(
                np.repeat(np.arange(len(rows)), batch.lengths)[batch.tokens == self._pieces.specials[0]]
            )
        } | {index for index, row in enumerate(rows) if "<" in row and self._written.search(row)}
        packed = TokenBatch(tokens, batch.lengths)
        if alone or any(languages):
            parts = packed.rows
            for index, found in enumerate(languages):
                if index in alone:
                    parts[index] = self._row(rows[index])
                elif found:
                    parts[index] = np.concatenate([[self._number(found[0])], parts[index]])
            packed = TokenBatch.of(parts)
        return packed

    def _documents(self, texts: Sequence[str]) -> TokenBatch:
        return TokenBatch.of([self._row(text) for text in texts])

    def _row(self, text: str) -> np.ndarray:
        return np.fromiter((piece.id for piece in self.pieces(text)), np.int32)

    def pieces(self, text: str) -> Iterator[Piece]:
        at = 0
        for found in self._written.finditer(text) if self._written.pattern else ():
            yield from self._between(text, at, found.start())
            yield Piece(found[0], self._number(found[0]), *found.span())
            at = found.end()
        yield from self._between(text, at, len(text))

    def _between(self, text: str, start: int, end: int) -> Iterator[Piece]:
        """The tokens of `text[start:end]`, which has no special tokens."""
        if start == end:
            return
        if found := _LANGUAGE.match(text, start, end):
            yield Piece(found[0], self._number(found[0]), *found.span())
            start = found.end()
        for piece in self._pieces.pieces(text[start:end]):
            yield Piece(piece.text, self._number(piece.text), start + piece.start, start + piece.end)

    def _number(self, token: str) -> int:
        return self._numbers.get(token, UNK_ID)

    def nbest(self, text: str, *, k: int) -> list[tuple[Sequence[int], float]]:
        """As `SentencePiece.nbest`."""
        language, rest = self._split(text)
        return [(self._segmented(language, ids), score) for ids, score in self._pieces.nbest(rest, k=k)]

    def sample(self, text: str, *, alpha: float, seed: int | str) -> Sequence[int]:
        """As `SentencePiece.sample`."""
        language, rest = self._split(text)
        return self._segmented(language, self._pieces.sample(rest, alpha=alpha, seed=seed))

    def _split(self, text: str) -> tuple[list[int], str]:
        found = _LANGUAGE.match(text)
        return ([self._number(found[0])], text[found.end() :]) if found else ([], text)

    def _segmented(self, language: list[int], ids: Sequence[int]) -> Sequence[int]:
        return array("i", [*language, *self._of_pieces[np.array(ids, np.int64)].tolist()])

    def join(self, pieces: Iterable[str]) -> str:
        """A piece of the vocabulary may be unknown to this side's SentencePiece model, which leaves its space as it is."""
        return self._pieces.join(pieces).replace(SPACE_MARK, " ").strip()

    def text_of(self, ids: Sequence[int]) -> str:
        return self.join(self._names[id] for id in self.file_ids[np.array(ids, np.int64)].tolist() if id in self._names)

    def written(self, text: str) -> str:
        """The text as decoding returns it: the SentencePiece model may have its own normalisation."""
        return self._pieces.written(text)


load = Marian.load


def open_sides(folder: Path, *, rows: tuple[int, int] = (0, 0)) -> tuple[Marian, Marian]:
    """The tokenizers of source and target in the folder of a Marian model, with a joint vocabulary or one each.

    rows: of the embeddings of both. Raises ModelError if a file is missing or damaged.
    """
    folder = Path(folder)
    settings = _settings(folder)
    separate = settings.get("separate_vocabs") is True
    shared = "vocab.json"
    own = foreign.find(folder, "source_vocab.json") is not None and (separate or foreign.find(folder, shared) is None)
    source = "source_vocab.json" if own else shared
    target = "target_vocab.json" if separate or own else shared
    begins = source == target  # translations begin with a token of the target vocabulary
    return (
        _side(folder, "source.spm", source, settings, rows=rows[0], begins=begins),
        _side(folder, "target.spm", target, settings, rows=rows[1], begins=True),
    )


def open_piece_file(folder: Path, name: str) -> Marian:
    """The tokenizer of a folder whose only vocabulary is a SentencePiece file."""
    model, where = foreign.read(folder, name), str(Path(folder) / name)
    kind = str(_settings(folder).get("model_type"))
    if kind in _OWN_TEXT:
        cure = "open it with transformers' AutoTokenizer, whose save_pretrained writes tokenizer.json"
        raise ModelError(f"{kind} changes texts before this tokenizer reads them", where=where, cure=cure)
    pieces = SentencePiece(model, where=where)
    vocabulary = pieces.vocabulary()
    specials = [vocabulary[id] if id >= 0 else None for id in pieces.specials]
    return Marian(model, {piece: id for id, piece in enumerate(vocabulary)}, specials, where=where)


def _side(folder: Path, spm: str, vocabulary: str, settings: dict[str, Any], *, rows: int, begins: bool) -> Marian:
    model, ids = foreign.read(folder, spm), foreign.read_ids(folder, vocabulary, below=_MOST)
    unknown, end, padding = (
        foreign.content(settings.get(f"{role}_token")) or usual
        for role, usual in (("unk", "<unk>"), ("eos", "</s>"), ("pad", "<pad>"))
    )
    start = settings.get("decoder_start_token_id", settings.get("pad_token_id"))
    if begins and type(start) is int:
        padding = next((token for token, id in ids.items() if id == start), padding)
    for name in (unknown, end, padding):
        if name not in ids or (rows and ids[name] >= rows):
            what = f"has no {name}" if name not in ids else f"{name} is token {ids[name]:,} of {rows:,} embeddings"
            raise ModelError(what, where=str(folder / vocabulary), cure=foreign.CURE)
    return Marian(model, ids, (unknown, padding, end), where=str(folder / spm), rows=rows)


def _settings(folder: Path) -> dict[str, Any]:
    """The settings in config.json, special_tokens_map.json and tokenizer_config.json; later files take precedence."""
    names = ("config.json", "special_tokens_map.json", "tokenizer_config.json")
    return {name: value for each in names for name, value in (foreign.read_json(folder, each) or {}).items()}
