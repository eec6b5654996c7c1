r"""SentencePiece (Kudo and Richardson 2018): subwords by a unigram model (Kudo 2018) or by BPE, trained or read.

Text comes back exactly, up to NFC: normalisation is ours and not the library's, what has no piece is spelled in
bytes, and U+2581, which the library writes for a space, is escaped before it sees the text (`\x1a1`; `\x1a` itself
is `\x1a0`). A `.model` file made elsewhere gets the text as given and is read as it is: its ids are the library's, and
its own normalisation may lose something.

Training reads at most `ENOUGH` characters, every k-th line of a longer text, and takes long lines in pieces: the
library's time grows with the square of a line.
"""

from __future__ import annotations

import io
import math
import random
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

import numpy as np
import sentencepiece

from seqcli.errors import InputError, ModelError, UsageError
from seqcli.files import file_type
from seqcli.interfaces import Piece
from seqcli.long_text import Token, best_combinations, windowed
from seqcli.system.workers import in_child
from seqcli.text import SPACE_MARK, SPECIALS, UNK, Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import CURE, digest, lines_of, lowered, read_file, span, write_file
from seqcli.tokenizers.characters import code_points

KIND = "sentencepiece"
FILE = "tokenizer.model"
VOCAB_SIZE = 8000  # default vocabulary size

_ESCAPES = {"\x1a": "\x1a0", SPACE_MARK: "\x1a1"}  # in this order; reversed in the opposite order
_RESERVED = f"\0\x1a{SPACE_MARK}\u2585"  # never in a piece: the library's end of string, ours, its space, its unknown
_LEAST = len(SPECIALS) + 256 + 1  # specials, bytes, the space
_MOST = 1 << 20  # the library considers a million candidates
_COVERAGE = 0.9995  # share of the text's characters that get a piece of their own
ENOUGH = 6_000_000  # characters
_LONGEST = 1000  # number of characters of a line that the trainer sees at a time
_DRAWN_FROM = 64
# number of characters that the library encodes at a time, and the overlap of two windows
_WINDOW, _OVERLAP = 1 << 16, 1 << 12
_CUT = re.compile(rb"[^ ] (?=.)", re.DOTALL)
_THREADS = 8  # number of training threads: sums depend on it in their last digits, so it is the same everywhere

sentencepiece.set_min_log_level(3)  # errors arrive as exceptions


class SentencePiece:
    """A tokenizer from the contents of a `.model` file; `where` is its name in errors."""

    KIND = KIND
    ends_rows = True
    space = SPACE_MARK
    normalisation = Normalisation.NFC

    def __init__(self, model: bytes, *, where: str = "sentencepiece model"):
        self._model, self._where = model, where
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.load_from_serialized_proto(model)
            self.vocab_size = self._processor.vocab_size()
            self._pieces = [self._processor.id_to_piece(id) for id in range(self.vocab_size)]
        except (RuntimeError, ValueError):
            if found := file_type.recognised_download(model[:4096]):
                what, cure = found
                raise ModelError(f"looks like {what}, not a SentencePiece model", where=where, cure=cure) from None
            raise ModelError("not a SentencePiece model, or damaged", where=where, cure=CURE) from None
        self.specials = self._processor.unk_id(), self._processor.bos_id(), self._processor.eos_id()
        word = self._processor.normalize("a")  # the library may put a space before it or after it
        # characters that begin or end pieces
        self._spaces_lead, self.spaces_follow = word.startswith(SPACE_MARK), word.endswith(SPACE_MARK)
        self._bytes = frozenset(id for id in range(self.vocab_size) if self._processor.is_byte(id))

    @cached_property
    def _own(self) -> dict[str, str]:
        return {piece: piece for piece in self._pieces}

    @cached_property
    def fingerprint(self) -> str:
        return digest(KIND.encode(), self._model)

    @classmethod
    def open_file(cls, path: Path) -> SentencePiece:
        """Opens a `.model` file of another tool, which reads text as given."""
        tokenizer = cls(read_file(path), where=str(path))
        tokenizer.normalisation = Normalisation.NONE
        return tokenizer

    @classmethod
    def load(cls, folder: Path) -> SentencePiece:
        return cls(read_file(folder / FILE), where=str(folder / FILE))

    def save(self, folder: Path) -> None:
        write_file(folder / FILE, self._model)

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        lines = self.normalisation.lines(lines)
        for char, escape in self.escapes.items():
            lines = lines.replace(char.encode(), escape.encode())
        rows = lines.split(b"\n")[:-1]
        if max(map(len, rows), default=0) > _WINDOW:
            parts = [
                self._ids_of_long(row)
                if len(row) > _WINDOW
                else np.array(self._processor.encode(row, return_type=int), np.int32)
                for row in rows
            ]
            lengths, ids = np.array(list(map(len, parts)), np.int64), np.concatenate(parts)
        else:
            found = self._processor.encode(rows, return_type=int)
            lengths = np.fromiter(map(len, found), np.int64, len(found))
            ids = np.fromiter(chain.from_iterable(found), np.int32, int(lengths.sum()))
        batch = TokenBatch.with_line_ends(ids, lengths)
        return TokenBatch.one(batch.tokens) if unit == "document" else batch

    def pieces(self, text: str) -> Iterator[Piece]:
        """Spans of tokens: a byte token has the span of its whole character; a space added at the beginning has none."""
        text, origin = self._escaped_spans(text)
        for piece, id, start, end in windowed(self._placed, text, window=_WINDOW, overlap=_OVERLAP):
            yield Piece(piece, id, *span(origin, start, end))

    def _placed(self, text: str) -> list[Token]:
        """The library's tokens with their positions."""
        found = self._processor.encode(text, return_type="offset_mapping")
        tokens: list[Token] = []
        following = len(text)
        for piece, id, (start, end) in zip(
            *(reversed(found[name]) for name in ("pieces", "ids", "offsets")), strict=True
        ):
            if start == end and id in self._bytes:  # the library assigns the character to its last byte
                end = following
            following = end
            tokens.append((piece, id, start, end))
        return tokens[::-1]

    def _parts(self, text: str) -> Iterator[bytes]:
        """The parts of a line, as the library reads them."""
        return self._parts_of(self._escaped(self.normalisation.text(text)).encode())

    def _parts_of(self, line: bytes) -> Iterator[bytes]:
        """Splits a line longer than a window into parts that are tokenized separately.

        Pieces do not continue after a space, so the line is cut before the first space that follows a word; the library
        adds that space again.
        """
        end = -1
        while end < len(line):
            start = end + 1
            cut = _CUT.search(line, start + _WINDOW // 2) if self._ours and len(line) > _WINDOW else None
            end = cut.end() - 1 if cut else len(line)
            yield line[start:end]

    def _ids_of_long(self, line: bytes) -> np.ndarray:
        """The ids of a line longer than a window, int32."""
        parts = []
        for part in self._parts_of(line):
            if len(part) <= _WINDOW:
                parts.append(np.array(self._processor.encode(part, return_type=int), np.int32))
            else:
                tokens = windowed(self._placed, part.decode(), window=_WINDOW, overlap=_OVERLAP)
                parts.append(np.fromiter((id for _, id, _, _ in tokens), np.int32))
        return np.concatenate(parts)

    def nbest(self, text: str, *, k: int) -> list[tuple[Sequence[int], float]]:
        """The k best segmentations: token ids and the sum of the log-probabilities of the pieces (0 for bytes). Those of a
        line longer than a window are the best combinations of the segmentations of its parts."""
        parts = [[(score, ids) for ids, score in self._nbest(part, k=k)] for part in self._parts(text)]
        return [(array("i", chain.from_iterable(ids)), score) for score, ids in best_combinations(parts, n=k)]

    def _nbest(self, part: bytes, *, k: int) -> list[tuple[array[int], float]]:
        if len(part) > _WINDOW:
            kind = "word" if self._ours else "line"
            cure = f"the longest {kind} with several is {_WINDOW:,} bytes"
            raise InputError(f"a {kind} of {len(part):,} bytes has too many segmentations", cure=cure)
        try:
            found = self._processor.nbest_encode(part, nbest_size=k, return_type=int)
        except RuntimeError:
            cure = "use a unigram sentencepiece model"
            raise UsageError("this tokenizer has no alternative segmentations", where=self._where, cure=cure) from None
        return [(array("i", ids), sum(map(self._processor.get_score, ids))) for ids in found]

    def sample(self, text: str, *, alpha: float, seed: int | str) -> Sequence[int]:
        """A random segmentation among the `_DRAWN_FROM` best, by p^alpha (Kudo 2018, section 3.2); for a line longer than a
        window, one for each part.

        Not the library's own sampling, which depends on the process and not only on the seed.
        """
        chance, ids = random.Random(seed), array("i")
        for part in self._parts(text):
            found = self._nbest(part, k=_DRAWN_FROM)
            highest = found[0][1]
            weights = [math.exp(alpha * (score - highest)) for _, score in found]
            ids += chance.choices(found, weights)[0][0]
        return ids

    def join(self, pieces: Iterable[str]) -> str:
        return self._text_of([self._own.get(piece, piece) for piece in pieces])  # without a string object for each

    def decode(self, ids: Iterable[int]) -> str:
        lines = lines_of(ids, end=self.specials[2])
        return "\n".join(map(self._text_of, lines))

    def _text_of(self, line: list[int] | list[str]) -> str:
        text = self._processor.decode(line)
        return self._unescaped(text.removesuffix(" ") if self.spaces_follow else text)

    def written(self, text: str) -> str:
        """The text as decoding writes it: another tool's model may have a normalisation of its own, such as NFKC."""
        if self._ours:
            return self.normalisation.text(text)
        return "\n".join(map(self._written, text.split("\n")))

    def _written(self, line: str) -> str:
        """Decodes one line, keeping blanks at its ends, which the library may remove."""
        text = self._processor.normalize(line)
        text = (
            text.removesuffix(SPACE_MARK)
            if self.spaces_follow
            else text.removeprefix(SPACE_MARK)
            if self._spaces_lead
            else text
        )
        text = text.replace(SPACE_MARK, " ")
        before = " " if line[:1].isspace() and not text.startswith(" ") else ""
        after = " " if line[-1:].isspace() and not (before + text).endswith(" ") else ""
        return before + text + after

    def vocabulary(self) -> list[str]:
        return list(self._pieces)

    @property
    def _ours(self) -> bool:
        return self.normalisation is Normalisation.NFC

    @property
    def escapes(self) -> dict[str, str]:
        """Replacements, in this order, for characters reserved by the library; only for models trained here: a model of
        another tool reads text as given."""
        return _ESCAPES if self._ours else {}

    @property
    def model(self) -> bytes:
        """The contents of the `.model` file."""
        return self._model

    @cached_property
    def scores(self) -> list[float]:
        """Scores of all pieces: log-probabilities (unigram), or the order of their merges (BPE)."""
        return [self._processor.get_score(id) for id in range(self.vocab_size)]

    def is_special(self, piece: str) -> bool:
        """Whether a piece stands for a byte or is a special symbol, which never matches text."""
        id = self._processor.piece_to_id(piece)
        return id in self._bytes or id in self.specials or self._processor.is_control(id)

    def _escaped(self, text: str) -> str:
        for char, escape in self.escapes.items():
            text = text.replace(char, escape)
        return text

    def _unescaped(self, text: str) -> str:
        for char, escape in reversed(self.escapes.items()):
            text = text.replace(escape, char)
        return text

    def _escaped_spans(self, text: str) -> tuple[str, Sequence[int]]:
        same, origin = self.normalisation.spans(text)
        escaped = self._escaped(same)
        if len(escaped) == len(same):
            return same, origin
        return escaped, array("q", (at for char, at in zip(same + "\n", origin) for _ in _ESCAPES.get(char, char)))


load = SentencePiece.load
open_file = SentencePiece.open_file


def train(
    blocks: Iterable[bytes],
    *,
    vocab_size: int | None = None,
    min_count: int = 1,
    unit: str = "line",
    algorithm: str = "unigram",
    characters: int = ENOUGH,
) -> tuple[SentencePiece, list[str]]:
    """Learns subwords with `algorithm`: "unigram" or "bpe". characters: maximum number of characters to train on.

    If the text has too few subwords, the vocabulary size is lowered. If it is too small for the text's alphabet, half of it
    is used for the most frequent characters.
    """
    size = VOCAB_SIZE if vocab_size is None else vocab_size
    if size < _LEAST:
        raise UsageError(f"a sentencepiece vocabulary of {size} is too small", cure=f"use {_LEAST} or more")
    lines, step = _sample(blocks, characters)
    if not lines:
        raise InputError("no text to build a vocabulary from")
    room, free = (size - _LEAST) // 2, 1
    while free > 0:
        text, spelled = _with_alphabet("\n".join(lines), room=room)
        try:
            learn = partial(_learn, text, vocab_size=min(size, _MOST), algorithm=algorithm)
            model = in_child(learn, openmp=True)
        except RuntimeError as error:
            raise InputError(f"sentencepiece cannot be trained on this text ({error})") from None
        tokenizer = SentencePiece(model)
        free = size - tokenizer.vocab_size if spelled else 0  # entries that the text has too few longer pieces for
        room += free
    notes = lowered(vocab_size, tokenizer.vocab_size)
    if step > 1:
        notes.append(f"subwords trained on one line in {step}")
    if spelled:
        notes.append(f"{spelled:,} rare characters are encoded as bytes; a larger vocabulary would include them")
    if min_count > 1:
        notes.append("--min-count has no effect with sentencepiece")
    return tokenizer, notes


def _learn(text: str, *, vocab_size: int, algorithm: str) -> bytes:
    """Trains in a child process and returns the contents of the `.model` file: the library ignores signals, and aborts its
    process if memory is exhausted."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.split("\n")),
        model_writer=model,
        model_type=algorithm,
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars=SPACE_MARK,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        unk_surface=UNK,
        max_sentence_length=8 * _LONGEST,
        num_threads=_THREADS,
        minloglevel=3,
    )
    return model.getvalue()


def _sample(blocks: Iterable[bytes], enough: int) -> tuple[list[str], int]:
    """A sample of every k-th line with at most `enough` characters in all, long lines in pieces; and k, a power of two."""
    kept: list[str] = []
    size, seen, step = 0, 0, 1
    for block in blocks:
        text = SentencePiece.normalisation.text(block.decode())
        lines = [line[at : at + _LONGEST] for line in text.split("\n") for at in range(0, len(line), _LONGEST)]
        added = lines[-seen % step :: step]
        seen += len(lines)
        kept += added
        size += sum(map(len, added))
        while size > enough:
            kept, step = kept[::2], 2 * step
            size = sum(map(len, kept))
    return kept, step


def _with_alphabet(text: str, *, room: int) -> tuple[str, int]:
    """The text with a NUL, which the trainer passes over, for every character that shall be spelled in bytes.

    Characters keep their place from the most frequent on, until they cover `_COVERAGE` of the text or fill the room.
    Returns the text, and how many would have had a place in a larger room.
    """
    counts = np.bincount(code_points(text))
    for char in f"{_RESERVED} \n":
        counts[ord(char) : ord(char) + 1] = 0
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    covered = np.searchsorted(np.cumsum(counts[order]), _COVERAGE * counts.sum()) + 1
    needed = min(int(covered), len(order))
    dropped = {int(point): "\0" for point in order[min(room, needed) :]}
    return text.translate(dropped | dict.fromkeys(map(ord, _RESERVED), "\0")), max(0, needed - room)
