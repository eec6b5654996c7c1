r"""Records of text, block by block: N records in are N records out, in bounded memory.

A record is what stands between line feeds, bytes split on `\n` only; one trailing `\r` and a leading byte order
mark are dropped. Columns of tables are `data/tables.py`. A block is a few megabytes of whole records, so memory is
bounded by its size and the longest record. Files that are not text are refused with the cure, by their first 4 KB.
"""

from __future__ import annotations

import codecs
import gzip
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import BinaryIO

from seqcli.errors import InputError, UsageError
from seqcli.interfaces import Reporter

BLOCK_BYTES = 1 << 20
_HEAD = 4096  # bytes that tell whether a file is text
LONGEST = 1 << 26  # bytes of a line, where no file's size bounds it: unpacked, or read from a pipe or a device
STDIN = "-"
_REPLACEMENT = "\ufffd".encode()
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character; "\udc80" to "\udcff" in arguments stand for bytes


@dataclass(frozen=True)
class Block:
    """Records `first`, `first` + 1 ... of an input, counted from 1."""

    first: int
    data: bytes  # as given, but valid UTF-8; every record ended by "\n"
    replaced: int = 0  # malformed UTF-8 sequences that became U+FFFD
    kept: tuple[tuple[str, ...], ...] = field(default=())  # pass-through columns, one tuple a record
    raw: tuple[str, ...] | None = None  # the records, where they may hold line feeds (blanks in `data`)

    def __len__(self) -> int:
        return self.data.count(b"\n")

    def kept_of(self, k: int) -> tuple[str, ...]:
        """Of its k-th record, from 0."""
        return self.kept[k] if self.kept else ()

    @cached_property
    def _text(self) -> str:
        return self.data.decode()

    def records(self) -> list[str]:
        """The records as given, without line ends."""
        return list(self.raw) if self.raw is not None else self._text.split("\n")[:-1]


def block_of(records: Iterable[str], *, first: int = 1, kept=(), strict: bool = False) -> Block:
    """Records held in memory (arguments, cells of a table) as one block; they may hold line feeds.

    Bytes of an argument that are not UTF-8 become U+FFFD, or with `strict` an InputError.
    """
    given = tuple(records)
    records = tuple(record if record.isascii() else _mended(record) for record in given)
    replaced = sum(mended.count("\ufffd") - record.count("\ufffd") for mended, record in zip(records, given, strict=True))
    if strict and replaced:
        number = next(number for number, record in enumerate(given, first) if LONE_SURROGATE.search(record))
        raise InputError("not valid UTF-8", where=f"text {number}", cure="drop --strict to replace it")
    lines = [record.replace("\n", " ") for record in records]
    raw = records if lines != list(records) else None
    return Block(first, "".join(line + "\n" for line in lines).encode(), replaced, kept=tuple(kept), raw=raw)


def _mended(record: str) -> str:
    """The argument's bytes read as those of a file; other lone surrogates become U+FFFD."""
    try:
        return record.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return LONE_SURROGATE.sub("\ufffd", record)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The bytes of a file, of standard input ("-"), or of what a `.gz` file holds. Errors name the file."""
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise InputError("standard input is closed", cure="name a file")
            yield sys.stdin.buffer
        elif path.endswith(".gz"):
            with gzip.open(path, "rb") as file:
                yield file
        else:
            with open(path, "rb", buffering=0) as file:
                yield file
    except IsADirectoryError:
        raise InputError("is a directory", where=path, cure="name a file in it") from None
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no such file", where=path) from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"damaged gzip file ({error})", where=path) from None
    except PermissionError:
        raise InputError("no permission to read", where=path) from None


def read_blocks(
    path: str, *, encoding: str | None = None, strict: bool = False, size: int = BLOCK_BYTES, longest: int | None = None
) -> Iterator[Block]:
    """The records of `path` in blocks of about `size` bytes.

    encoding: of the file, None for UTF-8 (a file that looks like something else is then refused).
    strict: malformed UTF-8 is an InputError with file, line and byte instead of U+FFFD.
    longest: bytes of a line, beyond which it is an InputError; None for the bound of `LONGEST`.
    """
    if encoding is not None:
        try:
            "".encode(encoding)  # refuses base64 and the like, codecs but not of text
            encoding = codecs.lookup(encoding).name
        except (LookupError, UnicodeError):
            raise UsageError(f"unknown encoding {encoding!r}", cure="for example utf-8, cp949, utf-16") from None
    name = "standard input" if path == STDIN else path
    with opened(path) as file:
        if longest is None and not _has_size(file):
            longest = LONGEST
        chunks = _chunks(file, size)
        head = b""  # a slow pipe gives a little at a time; whole lines of it are not kept waiting
        while len(head) < _HEAD and not head.endswith(b"\n") and (more := next(chunks, b"")):
            head += more
        _refuse_what_is_not_text(head[:_HEAD], name, given=encoding, whole=len(head) < _HEAD)
        chunks = _joined(head, chunks)
        if encoding in (None, "utf-8", "utf-8-sig"):
            yield from _utf8_blocks(chunks, name, strict, longest)
        else:
            for block in _utf8_blocks(_transcoded(chunks, encoding, name, strict), name, strict, longest):
                yield replace(block, replaced=block.data.count(_REPLACEMENT))


def _has_size(file: BinaryIO) -> bool:
    """Whether these are the bytes of a regular file, as they stand."""
    try:
        return not isinstance(file, gzip.GzipFile) and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # no file of the system
        return False


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    # A slow pipe gives what it has (read1); gzip's read1 would give 8 KB unpacked at a time.
    read = file.read if isinstance(file, gzip.GzipFile) else getattr(file, "read1", file.read)
    while True:
        try:
            chunk = read(size)
        except OSError as error:
            if isinstance(error, (gzip.BadGzipFile, IsADirectoryError)):
                raise
            raise InputError(f"cannot read ({error.strerror})", where=str(getattr(file, "name", "input"))) from None
        if not chunk:
            return
        yield chunk


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _transcoded(chunks: Iterator[bytes], encoding: str, name: str, strict: bool) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("strict" if strict else "replace")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8", "replace")
        yield decoder.decode(b"", True).encode("utf-8", "replace")
    except UnicodeDecodeError as error:
        raise InputError(f"not {encoding} ({error.reason})", where=name) from None


def _utf8_blocks(chunks: Iterator[bytes], name: str, strict: bool, longest: int | None) -> Iterator[Block]:
    first, pending, fresh = 1, [], True
    held = 0  # bytes of the record that has not ended yet
    for chunk in chunks:
        if fresh:
            chunk, fresh = chunk.removeprefix(codecs.BOM_UTF8), False
        end = chunk.rfind(b"\n") + 1
        if not end:  # a long record: joined once, when its end has come
            pending.append(chunk)
            held += len(chunk)
            if longest is not None and held > longest:
                cure = "break it into lines, or give it as an uncompressed file"
                raise InputError(f"a line of more than {longest:,} bytes", where=f"{name}, line {first}", cure=cure)
            continue
        block = _block(first, b"".join([*pending, chunk[:end]]), name, strict)
        pending = [chunk[end:]] if end < len(chunk) else []
        held = len(chunk) - end
        yield block
        first += len(block)
    if rest := b"".join(pending):
        yield _block(first, rest + b"\n", name, strict)


def _block(first: int, data: bytes, name: str, strict: bool) -> Block:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if data.isascii():
        return Block(first, data)
    try:
        data.decode()
        return Block(first, data)
    except UnicodeDecodeError as error:
        if strict:
            line = first + data.count(b"\n", 0, error.start)
            byte = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
            cure = "drop --strict to replace it, or name the file's --encoding"
            raise InputError("not valid UTF-8", where=f"{name}, line {line}, byte {byte}", cure=cure) from None
    text = data.decode("utf-8", "replace")
    return Block(first, text.encode(), replaced=text.count("\ufffd") - data.count(_REPLACEMENT))


_MAGIC = {
    b"\x1f\x8b": ("gzip data", "name it .gz, or unpack it first"),
    b"PK\x03\x04": ("a zip archive", "unpack it first"),
    b"PAR1": ("a Parquet file", "name it .parquet"),
    b"\x89PNG": ("a PNG image", "give a text file"),
    b"\xff\xd8\xff": ("a JPEG image", "give a text file"),
    b"GIF8": ("a GIF image", "give a text file"),
    b"%PDF-": ("a PDF document", "extract its text first"),
    b"\xff\xfe\x00\x00": ("UTF-32 text", "use --encoding utf-32"),
    b"\xff\xfe": ("UTF-16 text", "use --encoding utf-16"),
    b"\xfe\xff": ("UTF-16 text", "use --encoding utf-16"),
}


def _refuse_what_is_not_text(head: bytes, name: str, *, given: str | None, whole: bool) -> None:
    for magic, (what, cure) in _MAGIC.items():
        if head.startswith(magic) and not (given and "UTF" in what):
            raise InputError(f"looks like {what}, not text", where=name, cure=cure)
    if given:
        return
    if looks_utf16 := _utf16_without_mark(head):
        raise InputError("looks like UTF-16 text", where=name, cure=f"use --encoding {looks_utf16}")
    if _looks_like_cp949(head, whole):
        raise InputError("looks like CP949 (EUC-KR) text", where=name, cure="use --encoding cp949")


def _utf16_without_mark(head: bytes) -> str | None:
    """NULs, but only in every other place: nearly all of them in Latin text, the blanks' in other scripts."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[offset::2].count(0), head[1 - offset :: 2].count(0)
        share = zeros / max(len(head) // 2, 1)
        latin = share > 0.4 and zeros > 8 * others
        other_script = share > 0.05 and zeros > 2 * others and not _is_utf8(head)
        if len(head) >= 8 and (latin or other_script):
            return encoding
    return None


def _is_utf8(head: bytes) -> bool:
    """Up to a character that was cut at the end."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


def _looks_like_cp949(head: bytes, whole: bool) -> bool:
    """Not UTF-8, but CP949 throughout and mostly Hangul syllables."""
    head = head if whole else head[: head.rfind(b"\n") + 1] or head[:-3]
    if _is_utf8(head):
        return False
    for cut in range(2):  # a lead byte may be the last one read
        try:
            text = head[: len(head) - cut].decode("cp949")
            break
        except UnicodeDecodeError:
            continue
    else:
        return False
    foreign = [char for char in text if not char.isascii()]
    hangul = sum("가" <= char <= "힣" for char in foreign)
    return hangul >= 2 and hangul > 0.6 * len(foreign)


def noting(blocks: Iterable[Block], path: str, reporter: Reporter) -> Iterator[Block]:
    """The same blocks, and at their end a note on malformed text."""
    replaced = 0
    for block in blocks:
        replaced += block.replaced
        yield block
    note_replaced(replaced, path, reporter)


def note_replaced(count: int, path: str, reporter: Reporter) -> None:
    """count: malformed UTF-8 sequences."""
    if count:
        where = "standard input" if path == STDIN else path
        reporter.note(f"{count} malformed UTF-8 sequences became U+FFFD: {where}; --strict stops at the first")


def is_interactive() -> bool:
    """Whether standard input is a terminal (so that nobody is asked to type text unawares)."""
    return sys.stdin is None or sys.stdin.closed or os.isatty(sys.stdin.fileno())
