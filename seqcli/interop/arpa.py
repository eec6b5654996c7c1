r"""ARPA files, the text form of back-off n-gram models: read into a Table and its words, written from them.

    \data\
    ngram 1=5                          how many n-grams of each order
    ngram 2=1

    \1-grams:
    -0.9    <unk>    0                 log10 p, words, log10 back-off (0 where it is left out), tabs between
    ...
    \2-grams:
    -0.3    <s> a
    \end\

Reads what lmplz, SRILM and their kin write: `<s>` with p = 1 or 1e-99 (inside it is 0: never predicted), tabs or
spaces between fields, text before `\data\`, `.gz`. A file without `<unk>` gives unknown words p = 1e-100, one without
`</s>` gives it the p of `<unk>`, as KenLM does. An n-gram whose last n - 1 words are no n-gram (SRILM prunes so) is
fine; one whose first n - 1 are none is refused, as KenLM refuses it.

Writes what lmplz writes, with 7 decimals. What ARPA has no place for stands in comment lines before it, which KenLM
and SRILM skip:

    # seqcli: tokenizer characters, unit line     where they are other than words, line, text as given
    # seqcli: \xHH in a word is the byte HH       where words are empty, have blanks or are spelled like specials

Without the first line a file's words read text as given, as the vocabulary of any other tool; with it, text in NFC
unless the line ends in `, text as given`. Characters and bytes come back as such. SentencePiece does not fit: its pieces become words, spelled as `seqcli
tokenize` writes them, whose output such a file wants. With the second line, `\xHH` is the byte HH in every word and
`\x` alone is no byte: a space is `\x20`, a backslash `\x5c`, `<s>` as a word `\x3cs>`. In files without it words are
what they are.

Both ways, runs of whole lines are split, looked up and formatted by vector operations; besides the table, memory
holds one run and, when reading, one order before it is sorted. Counts in the header are compared, never trusted.
"""

from __future__ import annotations

import contextlib
import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from seqcli import decimals, ragged
from seqcli.data.lines import Block, read_blocks
from seqcli.errors import InputError, ModelError, OutputError
from seqcli.interfaces import Tokenizer
from seqcli.models.ngram import LARGEST_ORDER
from seqcli.ngram.table import Table
from seqcli.normalisation import Normalisation
from seqcli.text import BOS_ID, EOS_ID, SPECIALS, UNK_ID, printable, tsv_field
from seqcli.tokenizers.bytes import Bytes
from seqcli.tokenizers.characters import Characters
from seqcli.tokenizers.words import Words, hashes
from seqcli.whole_file import replacing

_LN10 = np.log(10)
_MISSING = -100 * _LN10  # KenLM's log p of unknown words in a file without <unk>
_NEVER = -99  # SRILM's log10 of 0
_RUN_BYTES = 1 << 20
_RUN_ROWS = 1 << 15
_COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_REWRITE = "copy it again if it was cut short, or write it again with the tool that made it"

_TOKENIZER = "# seqcli: tokenizer {}, unit {}{}\n"
_TOKENIZERS = re.compile(
    rb"^# seqcli: tokenizer (words|characters|bytes|sentencepiece), unit (line|document)(, text as given)?\r?$", re.M
)

# Words that ARPA cannot hold.
_ESCAPED = b"# seqcli: \\xHH in a word is the byte HH\n"
_BLANK = np.isin(np.arange(256), list(b"\0\t\n\v\f\r "))
_UNFIT = re.compile(r"[\0\t-\r \\]|^<(?=(?:unk|UNK|s|/s)>\Z)|^\Z")
_ESCAPE = re.compile(r"\\x((?:[0-7][0-9a-f])?)")


def _joined(pieces: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The UTF-8 of the pieces one after another, and where each ends."""
    encoded = [piece.encode() for piece in pieces]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([len(piece) for piece in encoded], dtype=np.int64)


def _hashes(data: np.ndarray, ends: np.ndarray) -> np.ndarray:
    lengths = np.diff(ends, prepend=0)
    return hashes(np.append(data, np.zeros(8, np.uint8)), ends - lengths, lengths)


_UNK, _BOS, _EOS, _CAPITAL_UNK = _SPECIAL_HASHES = _hashes(*_joined([*SPECIALS, "<UNK>"]))  # <UNK>: as in KenLM


class Arpa(NamedTuple):
    """What an ARPA file holds."""

    table: Table
    tokenizer: Tokenizer
    unit: str  # "line" or "document"


def read(path: Path, *, note: Callable[[str], None] = lambda line: None) -> Arpa:
    """The model of an `.arpa` or `.arpa.gz` file; words have ids from 3 on in the order of the file.

    note: is told what the file lacks and what was put in its place.
    Raises ModelError where the file is not what ARPA promises, or cannot be read.
    """
    runs = _runs(path, note)
    escaped, kind, unit, normalisation = False, "words", "line", Normalisation.NONE
    for _, data in _until("\\data\\", runs, path):
        escaped |= _ESCAPED in data
        for found in _TOKENIZERS.finditer(data):
            kind, unit = found[1].decode(), found[2].decode()
            normalisation = Normalisation.NONE if found[3] or kind == "sentencepiece" else Normalisation.NFC
    counts = _counts(_until("\\1-grams:", runs, path), path)
    table, words = Table.empty(len(counts)), None
    for n, claimed in enumerate(counts, 1):
        end = f"\\{n + 1}-grams:" if n < len(counts) else "\\end\\"
        section = (_Lines(data, n=n, first=first, path=path) for first, data in _until(end, runs, path))
        if n == 1:
            words, held = _add_unigrams(table, section, note=lambda line: note(f"{path}: {line}"))
        else:
            held = _add_ngrams(table, section, words=words)
        if held != claimed:
            raise ModelError(f"claims {claimed} {n}-grams but holds {held}", where=str(path), cure=_REWRITE)
    if escaped:
        pieces = words.vocabulary()[len(SPECIALS) :]
        data, ends = _joined([_ESCAPE.sub(lambda found: bytes.fromhex(found[1]).decode(), piece) for piece in pieces])
        words = Words.of(data.tobytes(), ends, _hashes(data, ends))
    tokenizer = _tokenizer(kind, words, path, note)
    tokenizer.normalisation = normalisation
    return Arpa(table, tokenizer, unit)


def _tokenizer(kind: str, words: Words, path: Path, note: Callable[[str], None]) -> Tokenizer:
    """The one of that kind whose pieces, in the order of their ids, are these words."""
    pieces = words.vocabulary()[len(SPECIALS) :] if kind in ("characters", "bytes") else []
    if kind == "characters":
        if any(len(piece) != 1 for piece in pieces) or len(set(pieces)) < len(pieces):
            raise ModelError("1-grams that are no characters", where=str(path), cure=_REWRITE)
        return Characters("".join(pieces))
    if kind == "bytes":
        if words.vocabulary() != Bytes().vocabulary():
            raise ModelError("1-grams that are not the bytes in their order", where=str(path), cure=_REWRITE)
        return Bytes()
    if kind == "sentencepiece":
        note(f"{path}: holds pieces; feed it the output of `seqcli tokenize`, with -m the model it was converted from")
    return words


def _runs(path: Path, note: Callable[[str], None]) -> Iterator[tuple[int, bytes]]:
    """Runs of whole lines, each with the number of its first; a line that begins with a backslash is a run of its own."""
    malformed = False
    for block in _blocks(path):
        if block.replaced and not malformed:
            note(f"{path}: malformed UTF-8 from line {block.first} on became U+FFFD")
            malformed = True
        first, begin, data = block.first, 0, block.data
        while begin < len(data):
            end = data.find(b"\n" if data.startswith(b"\\", begin) else b"\n\\", begin) + 1 or len(data)
            yield first, data[begin:end]
            first += data.count(b"\n", begin, end)
            begin = end


def _blocks(path: Path) -> Iterator[Block]:
    try:
        yield from read_blocks(str(path), size=_RUN_BYTES)
    except InputError as error:  # this input is a model
        cure = error.cure and "an ARPA file is UTF-8 text, plain or gzip"
        raise ModelError(error.what, where=error.where, cure=cure) from None


def _until(marker: str, runs: Iterator[tuple[int, bytes]], path: Path) -> Iterator[tuple[int, bytes]]:
    """The runs before the line `marker`, which must be the next that begins with a backslash."""
    for first, data in runs:
        if not data.startswith(b"\\"):
            yield first, data
        elif data.strip() == marker.encode():
            return
        else:
            found = _shown(data[:40].strip())
            raise ModelError(f"{found} where {marker} should stand", where=f"{path}, line {first}", cure=_REWRITE)
    raise ModelError(f"no line {marker}", where=str(path), cure=_REWRITE)


def _shown(data: bytes) -> str:
    return printable(data[:80].decode(errors="replace"))


def _counts(runs: Iterator[tuple[int, bytes]], path: Path) -> list[int]:
    """What the header claims: n-grams per order."""
    counts: list[int] = []
    for first, data in runs:
        for number, line in enumerate(data.split(b"\n"), first):
            if not line.strip():
                continue
            found, where = _COUNT.fullmatch(line.strip()), f"{path}, line {number}"
            if not found or int(found[1]) != len(counts) + 1:
                what = f"{_shown(line)} where the count of {len(counts) + 1}-grams should stand"
                raise ModelError(what, where=where, cure=_REWRITE)
            if len(counts) == LARGEST_ORDER:
                raise ModelError(f"order above {LARGEST_ORDER}", where=where, cure="build the model with a lower order")
            counts.append(int(found[2]))
    if not counts:
        raise ModelError("no counts of n-grams", where=str(path), cure=_REWRITE)
    return counts


class _Lines:
    """The n-gram lines of one run, M of them, split into fields: log10 p, n words and perhaps log10 back-off."""

    def __init__(self, data: bytes, *, n: int, first: int, path: Path):
        self.n, self._path = n, path
        self._text = np.frombuffer(bytes(8) + data + bytes(8), np.uint8)  # fields are loaded eight bytes at a time
        ends = np.flatnonzero((self._text == ord("\t")) | (self._text == ord("\n")) | (self._text == ord(" ")))
        starts = np.append(8, ends[:-1] + 1)
        fields = np.flatnonzero(self._text[ends] == ord("\n")) + 1  # up to the end of each line
        if (starts == ends).any():  # blanks side by side
            kept = starts < ends
            fields, starts, ends = np.cumsum(kept)[fields - 1], starts[kept], ends[kept]
        self._starts, self._lengths = starts, ends - starts
        count = np.diff(fields, prepend=0)
        filled = np.flatnonzero(count)
        count = count[filled]
        self._begin, self._number = fields[filled] - count, first + filled
        self._weighted = count == n + 2
        if len(wrong := np.flatnonzero((count != n + 1) & ~self._weighted)):
            what = f"{count[wrong[0]]} fields, not {n + 1} or {n + 2} (log10 p, words, log10 back-off)"
            raise self.error(what, row=wrong[0])

    def __len__(self) -> int:
        return len(self._begin)

    def error(self, what: str, *, row: int, cure: str = _REWRITE) -> ModelError:
        """About line `row`; of the same section, it may stand behind this run."""
        number = self._number[row] if row < len(self) else self._number[0] + row
        return ModelError(f"{self.n}-gram: {what}", where=f"{self._path}, line {number}", cure=cure)

    def field(self, row: int, k: int) -> str:
        start = self._starts[self._begin[row] + k]
        return _shown(self._text[start : start + self._lengths[self._begin[row] + k]].tobytes())

    def hashes(self) -> np.ndarray:
        """Of all words: uint64 [n, M]."""
        field = (self._begin + np.arange(1, self.n + 1)[:, None]).ravel()
        return hashes(self._text, self._starts[field], self._lengths[field]).reshape(self.n, -1)

    def ids(self, words: Words) -> np.ndarray:
        """Of all words: int64 [n, M]."""
        h = self.hashes()
        ids = words.ids_of(h.ravel()).astype(np.int64).reshape(h.shape)
        ids[h == _BOS], ids[h == _EOS] = BOS_ID, EOS_ID
        unknown = (ids == UNK_ID) & (h != _UNK) & (h != _CAPITAL_UNK)
        if unknown.any():
            k, row = np.argwhere(unknown)[0]
            raise self.error(f"{self.field(row, k + 1)} is not among the 1-grams", row=row)
        return ids

    def last_words(self) -> tuple[np.ndarray, np.ndarray]:
        """Their bytes joined, and their lengths."""
        starts, lengths = self._starts[self._begin + self.n], self._lengths[self._begin + self.n]
        return ragged.gather(self._text, starts, lengths), lengths

    def log_prob(self) -> np.ndarray:
        """Natural, float32 [M]."""
        value = self._natural(self._begin)
        if len(wrong := np.flatnonzero(~(value <= 0))):
            raise self.error(f"log10 p is {self.field(wrong[0], 0)}, not a number up to 0", row=wrong[0])
        return value

    def log_backoff(self) -> np.ndarray:
        """Natural, float32 [M]."""
        value = np.zeros(len(self), np.float32)
        value[self._weighted] = self._natural((self._begin + self.n + 1)[self._weighted])
        if len(wrong := np.flatnonzero(~(value < np.inf))):
            raise self.error(f"log10 back-off is {self.field(wrong[0], self.n + 1)}, not a number", row=wrong[0])
        return value

    def _natural(self, field: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return (decimals.parsed(self._text, self._starts[field], self._lengths[field]) * _LN10).astype(np.float32)


def _collect(section: Iterator[_Lines], key_of: Callable[[_Lines], np.ndarray]):
    """All R lines of a section, told apart by keys (`key_of` gives the uint64 [M] of a run).

    Returns log_prob and log_backoff, float32 [R] in the order of the file; the keys in their own order; and the
    place in the file of each key, int64 [R].
    """
    parts = [(np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint64))]
    first = None
    for lines in section:
        first = first or lines  # those without lines are false
        parts.append((lines.log_prob(), lines.log_backoff(), key_of(lines)))
    log_prob, log_backoff, keys = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    place = np.argsort(keys)
    keys = keys[place]
    if len(twice := np.flatnonzero(keys[1:] == keys[:-1])):
        raise first.error("it stands twice", row=place[twice[0] : twice[0] + 2].max())
    return log_prob, log_backoff, keys, place


def _add_unigrams(table: Table, section: Iterator[_Lines], *, note: Callable[[str], None]) -> tuple[Words, int]:
    """Order 1 of the table. Returns the vocabulary and the number of lines."""
    pieces = [(np.zeros(0, np.uint8), np.zeros(0, np.int64))]

    def key_of(lines: _Lines) -> np.ndarray:
        pieces.append(lines.last_words())
        return lines.hashes()[0]

    log_prob, log_backoff, keys, place = _collect(section, key_of)
    at = np.searchsorted(keys, _SPECIAL_HASHES)
    found = np.append(keys, np.uint64(0))[at] == _SPECIAL_HASHES
    unk, bos, eos, capital = np.where(found, np.append(place, -1)[at], -1)  # -1: none
    unk = capital if unk < 0 else unk
    for row, instead in (
        (unk, "<unk>: log10 p is -100"),
        (bos, "<s>: back-off is 0"),
        (eos, "</s>: p is that of <unk>"),
    ):
        if row < 0:
            note(f"no 1-gram {instead}")
    others = np.setdiff1d(np.arange(len(keys)), [unk, bos, eos, capital])
    rows = np.append([unk, bos, eos if eos >= 0 else unk], others)
    table.words.append(None)
    table.log_prob.append(np.append(log_prob, np.float32(_MISSING))[rows])
    table.log_prob[0][BOS_ID] = -np.inf
    if table.order > 1:
        table.log_backoff.append(np.append(log_backoff, np.float32(0))[rows])
    data, lengths = (np.concatenate(column) for column in zip(*pieces, strict=True))
    joined = ragged.gather(data, (np.cumsum(lengths) - lengths)[others], lengths[others])
    keys[place] = keys.copy()  # in the order of the file
    return Words.of(joined.tobytes(), np.cumsum(lengths[others]), keys[others]), len(keys)


def _add_ngrams(table: Table, section: Iterator[_Lines], *, words: Words) -> int:
    """The next order of the table. Returns the number of lines."""
    n = len(table.log_prob) + 1

    def key_of(lines: _Lines) -> np.ndarray:
        ids = lines.ids(words)
        prefix = ids[0]
        for k in range(2, n):
            prefix = table.find(k, prefix, ids[k - 1].astype(np.uint32))
            if len(lost := np.flatnonzero(prefix < 0)):
                what = f"its first {k} words are no {k}-gram"
                raise lines.error(what, row=lost[0], cure="prune so that every n-gram keeps its contexts")
        return prefix.astype(np.uint64) << np.uint64(32) | ids[-1].astype(np.uint64)

    log_prob, log_backoff, keys, place = _collect(section, key_of)
    below, dtype = len(table.log_prob[-1]), np.int32 if len(keys) < 2**31 else np.int64
    children = np.zeros(below + 1, dtype)
    np.cumsum(np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=below), out=children[1:])
    table.children.append(children)
    table.words.append(keys.astype(np.uint32))  # the lower half
    table.log_prob.append(log_prob[place])
    if n < table.order:
        table.log_backoff.append(log_backoff[place])
    return len(keys)


def write(path: Path, table: Table, tokenizer: Tokenizer, unit: str = "line") -> None:
    """Writes the table as ARPA, compressed where `path` ends in `.gz`. The old file stands until the new is whole.

    unit: of the rows it was counted from. Raises OutputError where it cannot be written.
    """
    data, ends, escaped = _spelled(tokenizer)
    assert len(ends) == table.vocab_size, "not the tokenizer of this table"
    lengths = np.diff(ends, prepend=0)
    words = data, ends - lengths, lengths
    as_given = tokenizer.normalisation is Normalisation.NONE
    comments = _TOKENIZER.format(tokenizer.KIND, unit, ", text as given" if as_given else "")
    comments = "" if as_given and (tokenizer.KIND, unit) == ("words", "line") else comments
    comments += _ESCAPED.decode() if escaped else ""
    with _written(path) as file:
        counts = [f"ngram {n}={size}\n" for n, size in enumerate(table.sizes, 1)]
        file.write((comments + "\\data\\\n" + "".join(counts)).encode())
        for n, size in enumerate(table.sizes, 1):
            file.write(f"\n\\{n}-grams:\n".encode())
            for begin in range(0, size, _RUN_ROWS):
                rows = np.arange(begin, min(begin + _RUN_ROWS, size))
                file.write(_lines(table, n=n, rows=rows, words=words))
        file.write(b"\n\\end\\\n")


def _spelled(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray, bool]:
    """All pieces as they are to be written: bytes joined, where each ends, and whether they are escaped."""
    pieces = None
    if hasattr(tokenizer, "joined"):
        data, ends = tokenizer.joined()
    else:
        pieces = tokenizer.vocabulary()[len(SPECIALS) :]
        if tokenizer.KIND == "sentencepiece":
            pieces = [tsv_field(piece).replace(" ", "\\x20") for piece in pieces]  # as `seqcli tokenize` does
        data, ends = _joined(pieces)
    escaped = _BLANK[data].any() or (np.diff(ends, prepend=0) == 0).any()
    escaped = bool(escaped or np.isin(_hashes(data, ends), _SPECIAL_HASHES).any())
    if escaped:
        pieces = pieces or tokenizer.vocabulary()[len(SPECIALS) :]
        data, ends = _joined([_UNFIT.sub(lambda found: "\\x" + found[0].encode().hex(), piece) for piece in pieces])
    special, special_ends = _joined(list(SPECIALS))
    return np.append(special, data), np.append(special_ends, ends + len(special)), escaped


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` when it is whole."""
    try:
        with replacing(path) as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                    yield packed
            else:
                yield file
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None


def _lines(table: Table, *, n: int, rows: np.ndarray, words: tuple[np.ndarray, np.ndarray, np.ndarray]) -> bytes:
    """The lines of rows of order n. words: bytes, starts and lengths of all pieces."""
    data, starts, lengths = words

    def mark(text: bytes):
        return np.frombuffer(text, np.uint8), np.zeros(len(rows), np.int64), np.ones(len(rows), np.int64)

    end = [mark(b"\n")]
    if n < table.order:
        end = [mark(b"\t"), _decimals(table.log_backoff[n - 1][rows]), *end]
    log_prob = table.log_prob[n - 1][rows]
    if n == 1:
        log_prob = np.where(rows == BOS_ID, 0, log_prob)  # as lmplz writes it
    columns = []
    for k in range(n, 0, -1):  # from the last word back to the first
        word = rows if k == 1 else table.words[k - 1][rows]
        columns = [mark(b" "), (data, starts[word], lengths[word]), *columns]
        if k > 1:
            children = table.children[k - 2]
            rows = np.searchsorted(children, rows.astype(children.dtype), side="right") - 1
    return ragged.weave([_decimals(log_prob), mark(b"\t"), *columns[1:], *end])


def _decimals(natural: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms as log10, 7 decimals without zeros at the end: bytes, starts and lengths, as `weave` takes them."""
    value = natural / _LN10
    return decimals.pieces(np.where(value == -np.inf, _NEVER, np.clip(value, -999, 999)))
