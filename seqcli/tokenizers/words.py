r"""Words between white space: KenLM's convention, whole blocks at a time.

Splits on the ASCII blanks `\0 \t \n \v \f \r space` and on nothing else. A word is known by a 64-bit hash of its
bytes, as in KenLM; the vocabulary is an array of sorted hashes laid out with gaps, so that a million words are
looked up by a few vector operations: a hash's home is its leading bits, and it stands there or a few places on.
`<s>` and `</s>` written in a text count as blanks, and so does `<unk>` in a text that is learnt from (`lmplz --skip_symbols`);
elsewhere it is an unknown word, as in KenLM's `query`, PTB and WikiText.

Decoding joins words by single spaces: a text comes back up to its runs of white space.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from seqcli import ragged
from seqcli.errors import InputError, ModelError
from seqcli.files import tensor_file
from seqcli.interfaces import Piece
from seqcli.text import BLANKS, BOS, BOS_ID, EOS, SPECIAL_IDS, SPECIALS, UNK_ID, WORD, Normalisation
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import CURE, digest, lines_of, lowered, span

KIND = "words"
FILE = "words.safetensors"
MAPPED = True  # a large vocabulary is not read completely

_KEEP = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)  # the first n bytes of a little-endian 8
_AT_ONCE = 1 << 12  # words
_PART = 2 << 20  # bytes
_LONG = 512  # bytes; a step for every eight of them would be many steps for few words


def _mix(h: np.ndarray) -> np.ndarray:
    """A bijection of 64 bits in which every bit depends on every other (the finaliser of splitmix64)."""
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(31)
    return h


def hashes(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """64-bit hashes of the words `data[starts : starts + lengths]`, by eight bytes of all words per step.

    data: uint8, at least 8 bytes longer than the end of the last word. Returns uint64, one per word, never 0.
    """
    eights = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    h = (eights[starts] & _KEEP[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    _mix(h)
    longer = np.flatnonzero((lengths > 8) & (lengths <= _LONG))
    done = 8
    while len(longer):
        rest = lengths[longer] - done
        h[longer] = _mix(h[longer] * np.uint64(3) ^ (eights[starts[longer] + done] & _KEEP[np.minimum(rest, 8)]))
        longer = longer[rest > 8]
        done += 8
    for i in np.flatnonzero(lengths > _LONG):
        word = data[starts[i] : starts[i] + lengths[i]].tobytes()
        h[i] = int.from_bytes(hashlib.blake2b(word, digest_size=8).digest())
    return np.maximum(h, np.uint64(1))


_SPECIAL_HASHES = np.array(
    [hashes(np.frombuffer(s.encode() + bytes(8), np.uint8), np.array([0]), np.array([len(s)]))[0] for s in SPECIALS]
)


class Split:
    """The words of a block of lines: their positions, their hashes, and the number of words of each line.

    skipped: hashes of words that count as blanks.
    """

    def __init__(self, lines: bytes, *, skipped: np.ndarray = _SPECIAL_HASHES):
        self.data = np.frombuffer(lines + bytes(8), np.uint8)
        text = self.data[: len(lines)]
        blank = (text == 0x20) | ((text - np.uint8(0x09)) < 5) | (text == 0)
        edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
        if len(lines) and not blank[0]:
            edges = np.concatenate([[0], edges])
        self.starts = edges[0::2]  # lines end in "\n": edges are pairs
        self.lengths = edges[1::2] - self.starts
        self.hashes = hashes(self.data, self.starts, self.lengths)
        self.symbols = 0  # special symbols written in the text
        special = np.isin(self.hashes, skipped) if len(lines) and b"<" in lines else np.zeros(0, bool)
        if special.any():
            self.symbols = int(special.sum())
            self.starts, self.lengths, self.hashes = (a[~special] for a in (self.starts, self.lengths, self.hashes))
        ends = np.flatnonzero(text == 0x0A)
        self.line_words = np.diff(np.searchsorted(self.starts, ends), prepend=0)

    def word(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.starts[index] + self.lengths[index]].tobytes()


class Words:
    """A vocabulary of words. `words`: bytes of all words, id 3 first; `ends`: where each ends in them."""

    KIND = KIND
    specials = SPECIAL_IDS
    ends_rows = True
    normalisation = Normalisation.NFC

    def __init__(self, words: np.ndarray, ends: np.ndarray, keys: np.ndarray, ids: np.ndarray):
        self._words, self._ends = words, ends  # uint8, int64 [V - 3]
        self._keys, self._ids = keys, ids  # uint64, int32: hashes in order, with gaps (0); their ids
        self.vocab_size = len(ends) + len(SPECIALS)
        self._shift = np.uint64(64 - _home_bits(len(ends)))

    @classmethod
    def of(cls, words: bytes, ends: np.ndarray, hashes: np.ndarray) -> Words:
        """A vocabulary of distinct words (joined bytes, their ends, their hashes) in the order of their ids."""
        order = np.argsort(hashes)
        keys = hashes[order]
        bits = _home_bits(len(keys))
        home = (keys >> np.uint64(64 - bits)).astype(np.int64)
        # Linear probing of sorted keys in closed form: each stands at its home or right after the one before.
        here = np.arange(len(keys)) + np.maximum.accumulate(home - np.arange(len(keys)))
        size = max((1 << bits), (int(here[-1]) + 1 if len(here) else 0)) + 1  # the last place stays empty
        table, ids = np.zeros(size, np.uint64), np.zeros(size, np.int32)
        table[here] = keys
        ids[here] = order + len(SPECIALS)
        return cls(np.frombuffer(words, np.uint8), ends.astype(np.int64), table, ids)

    @cached_property
    def fingerprint(self) -> str:
        form = b"" if self.normalisation is Normalisation.NFC else self.normalisation.value.encode()
        return digest(KIND.encode() + form, self._words.data, self._ends.data, self._keys.data, self._ids.data)

    @classmethod
    def load(cls, folder: Path) -> Words:
        tensors = tensor_file.read(folder / FILE)
        kinds = {"words": np.uint8, "ends": np.int64, "keys": np.uint64, "ids": np.int32}
        try:
            words, ends, keys, ids = (tensors[name] for name in kinds)
            sound = all(tensors[name].ndim == 1 and tensors[name].dtype == kind for name, kind in kinds.items())
            sound = sound and len(keys) == len(ids) > 1 << _home_bits(len(ends)) and keys[-1] == 0
            sound = sound and (not len(ends) or ends[-1] == len(words))
            sound = sound and ids.min() >= 0 and ids.max() < len(ends) + len(SPECIALS)  # of the networks' embeddings
        except KeyError:
            sound = False
        if not sound:
            raise ModelError("damaged vocabulary", where=str(folder / FILE), cure=CURE)
        return cls(words, ends, keys, ids)

    def hashes(self) -> np.ndarray:
        """Hashes of the words by id, uint64 [V - 3]."""
        found = np.empty(len(self._ends), np.uint64)
        taken = self._ids >= len(SPECIALS)
        found[self._ids[taken] - len(SPECIALS)] = self._keys[taken]
        return found

    def save(self, folder: Path) -> None:
        arrays = {"words": self._words, "ends": self._ends, "keys": self._keys, "ids": self._ids}
        tensor_file.write(folder / FILE, {name: tensor_file.tensor(array) for name, array in arrays.items()})

    def ids_of(self, hashes: np.ndarray) -> np.ndarray:
        """Ids of hashed words, int32; `<unk>` for words that are not in the vocabulary."""
        place = (hashes >> self._shift).astype(np.int64)
        found = self._keys[place]
        ids = np.where(found == hashes, self._ids[place], np.int32(UNK_ID))
        left = np.flatnonzero((found < hashes) & (found != 0))
        place, hashes = place[left], hashes[left]
        while len(left):
            place += 1
            found = self._keys[place]
            hit = found == hashes
            ids[left[hit]] = self._ids[place[hit]]
            go_on = (found < hashes) & (found != 0)
            left, place, hashes = left[go_on], place[go_on], hashes[go_on]
        return ids

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        skipped = _SPECIAL_HASHES if learning else _SPECIAL_HASHES[1:]
        ids, line_words, count = [], [], 0
        for part in _parts(self.normalisation.lines(lines)):
            split = Split(part, skipped=skipped)
            ids.append(self.ids_of(split.hashes))
            line_words.append(count + np.cumsum(split.line_words))
            count += len(split.hashes)
        batch = TokenBatch.with_line_ends(
            ragged.joined(ids, np.int32), np.diff(ragged.joined(line_words, np.int64), prepend=0)
        )
        return TokenBatch.one(batch.tokens) if unit == "document" else batch

    def pieces(self, text: str) -> Iterator[Piece]:
        same, origin = self.normalisation.spans(text)
        words = (match for match in WORD.finditer(same) if match[0] not in (BOS, EOS))
        while found := list(islice(words, _AT_ONCE)):
            ids = self.encode((" ".join(match[0] for match in found) + "\n").encode()).tokens.tolist()
            for match, id in zip(found, ids):
                yield Piece(match[0], id, *span(origin, *match.span()))

    def join(self, pieces: Iterable[str]) -> str:
        pieces, parts = iter(pieces), []
        # only a part at a time: a string object takes 50 bytes more than its characters
        while some := list(islice(pieces, _AT_ONCE)):
            parts.append(" ".join(some))
        return " ".join(parts)

    def decode(self, ids: Iterable[int]) -> str:
        return "\n".join(self.join(self._piece(i) for i in line if i != BOS_ID) for line in lines_of(ids))

    def vocabulary(self) -> list[str]:
        return [*SPECIALS, *(self._piece(i) for i in range(len(SPECIALS), self.vocab_size))]

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """The pieces without copying: uint8 bytes of all words from id 3 on, and the end of each."""
        return self._words, self._ends

    def _piece(self, id: int) -> str:
        if id < len(SPECIALS):
            return SPECIALS[id]
        at = id - len(SPECIALS)
        begin = self._ends[at - 1] if at else 0
        return self._words[begin : self._ends[at]].tobytes().decode()


load = Words.load


def written(lines: bytes, symbols: Iterable[str] = SPECIALS) -> int:
    """How often these special symbols are written as words in a text."""
    found = [symbol.encode() for symbol in symbols if symbol.encode() in lines]
    if not found:
        return 0
    blanks = re.escape(BLANKS.encode())
    names = b"|".join(map(re.escape, found))
    return len(re.findall(b"(?<![^%b])(?:%b)(?![^%b])" % (blanks, names, blanks), lines))


def _parts(lines: bytes) -> Iterator[bytes]:
    """Splits the text after blanks, to bound the memory of `Split`; a long word is one part."""
    start = 0
    while start < len(lines):
        end = start + _PART
        if end < len(lines):
            end = max(lines.rfind(blank, start, end) for blank in (b" ", b"\n", b"\t")) + 1
            if end <= start:
                found = (lines.find(blank, start + _PART) for blank in (b" ", b"\n", b"\t"))
                end = min(at for at in found if at >= 0) + 1  # at the last line feed if there is no other blank
        yield lines[start:end]
        start = end


def _home_bits(size: int) -> int:
    """At least twice as many slots as words."""
    return max(4, (2 * size - 1).bit_length() if size else 4)


class Distinct:
    """The distinct words of one block of lines, for `Learner`.

    hashes: uint64 [d], sorted; counts: int64 [d]; first: int64 [d], the index of the word's first token in the block;
    words, ends: their bytes; index: uint32 [tokens], the index of each token's word; line_words: [lines].
    """

    __slots__ = ("hashes", "counts", "first", "words", "ends", "index", "line_words", "symbols")

    def __init__(self, lines: bytes):
        split = Split(lines)
        order = np.argsort(split.hashes)
        ordered = split.hashes[order]
        new = np.ones(len(ordered), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        begins = np.flatnonzero(new)
        self.index = np.empty(len(ordered), np.uint32)
        self.index[order] = np.cumsum(new, dtype=np.uint32) - np.uint32(1) if len(ordered) else 0
        self.hashes = ordered[begins]
        self.counts = np.diff(begins, append=len(ordered))
        self.first = np.minimum.reduceat(order, begins) if len(order) else order
        lengths = split.lengths[self.first]
        self.words = ragged.gather(split.data, split.starts[self.first], lengths)
        self.ends = np.cumsum(lengths)
        self.line_words, self.symbols = split.line_words, split.symbols


class Learner:
    """Collects the vocabulary of blocks of lines; ids are assigned by decreasing frequency, then by first occurrence."""

    def __init__(self) -> None:
        self._hashes, self._counts, self._first = np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._words, self._ends = np.zeros(0, np.uint8), np.zeros(0, np.int64)
        self._waiting: list[tuple] = []
        self._waiting_words = 0
        self._tokens = 0
        self.symbols = 0

    def add(self, block: Distinct) -> None:
        self.symbols += block.symbols
        self._add(block.hashes, block.counts, block.first, block.words, block.ends, tokens=len(block.index))

    def add_vocabulary(self, words: Words, counts: np.ndarray, first: np.ndarray, *, tokens: int) -> None:
        """Adds the next `tokens` of the text. counts, first: int64 [V - 3], the count and first position of each word in them."""
        self._add(words.hashes(), counts, first, *words.joined(), tokens=tokens)

    def _add(self, hashes, counts, first, words, ends, *, tokens: int) -> None:
        self._waiting.append((hashes, counts, first + self._tokens, words, ends))
        self._waiting_words += len(hashes)
        self._tokens += tokens
        if self._waiting_words > max(1 << 22, len(self._hashes)):
            self._merge()

    def _merge(self) -> None:
        parts = [(self._hashes, self._counts, self._first, self._words, self._ends), *self._waiting]
        hashes, counts, first = (np.concatenate([part[i] for part in parts]) for i in range(3))
        words = np.concatenate([part[3] for part in parts])
        lengths = np.concatenate([np.diff(part[4], prepend=0) for part in parts])
        starts = np.cumsum(lengths) - lengths
        order = np.argsort(hashes)
        ordered = hashes[order]
        new = np.ones(len(ordered), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        begins = np.flatnonzero(new)
        kept = order[begins]
        self._hashes = ordered[begins]
        self._first = np.minimum.reduceat(first[order], begins) if len(begins) else first
        self._counts = np.add.reduceat(counts[order], begins) if len(begins) else counts
        self._words = ragged.gather(words, starts[kept], lengths[kept])
        self._ends = np.cumsum(lengths[kept])
        self._waiting, self._waiting_words = [], 0

    def finish(self, *, size: int | None = None, min_count: int = 1, only: Words | None = None) -> Words:
        """The vocabulary of all text that was added.

        size: maximum number of entries, including special symbols; min_count: minimum count of a word; only: keep only
        words of this vocabulary.
        """
        self._merge()
        keep = np.flatnonzero(self._counts >= min_count)
        if only is not None:
            keep = keep[only.ids_of(self._hashes[keep]) != UNK_ID]
        rank = keep[np.lexsort((self._first[keep], -self._counts[keep]))]
        if size is not None:
            rank = rank[: max(0, size - len(SPECIALS))]
        lengths = np.diff(self._ends, prepend=0)
        words = ragged.gather(self._words, self._ends[rank] - lengths[rank], lengths[rank])
        return Words.of(words.tobytes(), np.cumsum(lengths[rank]), self._hashes[rank])

    @property
    def types(self) -> int:
        self._merge()
        return len(self._hashes)


def train(
    blocks: Iterable[bytes], *, vocab_size: int | None = None, min_count: int = 1, unit: str = "line"
) -> tuple[Words, list[str]]:
    """Learns the words that occur at least `min_count` times, at most `vocab_size` with the special symbols."""
    learner = Learner()
    for block in blocks:
        learner.add(Distinct(Words.normalisation.lines(block)))
    if not learner.types:
        raise InputError("no text to build a vocabulary from")
    tokenizer = learner.finish(size=vocab_size, min_count=min_count)
    notes = lowered(vocab_size, tokenizer.vocab_size)
    if learner.symbols:
        notes.append(f"{learner.symbols:,} special symbols written in the text count as spaces")
    return tokenizer, notes
