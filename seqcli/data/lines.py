r"""Records of text, block by block: every record of the input is a record of the output, in bounded memory.

Records are separated by line feeds; bytes are split on `\n` only, and a trailing `\r` of a record and a byte order mark at
the beginning are removed. Columns of tables are read by `data/records.py`. A block is a few megabytes of complete records,
so memory is bounded by the block size and the longest record. Files that are not text are recognised by their first 4 KB
and refused with a cure.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from seqcli.data import encodings
from seqcli.data.files import ByteFile, compression, opened, shown
from seqcli.errors import InputError
from seqcli.files import file_type
from seqcli.interfaces import Reporter
from seqcli.text import one_line

BLOCK_BYTES = 1 << 20
_HEAD = 4096  # bytes read to decide whether a file is text
LONGEST = 1 << 26  # maximum bytes of a line if no file size bounds it: compressed files, pipes, devices
_REPLACEMENT = "\ufffd".encode()
# lone surrogates; "\udc80" to "\udcff" in arguments stand for undecodable bytes
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Block:
    """Records `first`, `first` + 1 ... of an input, counted from 1."""

    first: int
    data: bytes  # as given, but valid UTF-8; every record ended by "\n"
    replaced: int = 0  # number of malformed UTF-8 sequences replaced by U+FFFD
    kept: tuple[tuple[str, ...], ...] = field(default=())  # pass-through columns, one tuple per record
    raw: tuple[str, ...] | None = (
        None  # the records, if they are not the lines of `data`, since they may contain line feeds (blanks there)
    )
    apart: bool = False  # records are separate texts (arguments, cells) rather than lines of one file
    file: int = 0  # index of the input if several are read one after another

    def __len__(self) -> int:
        return self.data.count(b"\n")

    def kept_of(self, k: int) -> tuple[str, ...]:
        """The pass-through columns of record k, from 0."""
        return self.kept[k] if self.kept else ()

    def part(self, begin: int, end: int) -> Block:
        """Records `begin` to `end`, from 0."""
        lines = self.data.split(b"\n")[begin:end]
        data = b"".join(line + b"\n" for line in lines)
        return Block(
            self.first + begin, data, 0 if begin else self.replaced, kept=self.kept[begin:end],
            raw=None if self.raw is None else self.raw[begin:end], apart=self.apart, file=self.file,
        )  # fmt: skip

    @cached_property
    def _text(self) -> str:
        return self.data.decode()

    def records(self) -> list[str]:
        """The records as given, without line endings."""
        return list(self.raw) if self.raw is not None else self._text.split("\n")[:-1]


def block_of(records: Iterable[str], *, first: int = 1, kept=(), strict: bool = False) -> Block:
    """Records in memory (arguments, cells of a table) as one block. They may contain line feeds; CR LF counts as one.

    Undecodable bytes of an argument become U+FFFD or, with `strict`, an InputError.
    """
    given = tuple(records)
    records = tuple(map(as_record, given))
    replaced = sum(
        mended.count("\ufffd") - record.count("\ufffd")
        for mended, record in zip(records, given, strict=True)
        if mended is not record
    )
    if strict and replaced:
        number = next(number for number, record in enumerate(given, first) if LONE_SURROGATE.search(record))
        raise InputError("not valid UTF-8", where=f"text {number}", cure="leave out --strict to replace it")
    lines = list(map(one_line, records))
    raw = records if lines != list(records) else None
    return Block(
        first, "".join(line + "\n" for line in lines).encode(), replaced, kept=tuple(kept), raw=raw, apart=True
    )


def as_record(text: str) -> str:
    """A text in memory as a record: undecodable bytes of an argument are treated as those of a file, other lone surrogates
    become U+FFFD, and CR LF becomes a line feed."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = _without_surrogates(text)
    return text.replace("\r\n", "\n")


def _without_surrogates(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return LONE_SURROGATE.sub("\ufffd", text)


def read_blocks(
    path: str, *, encoding: str | None = None, strict: bool = False, size: int = BLOCK_BYTES, longest: int | None = None,
    errors: str = "replace",
) -> Iterator[Block]:  # fmt: skip
    """The records of `path` in blocks of about `size` bytes.

    encoding: of the file, None for UTF-8 (a file that looks like another encoding is then refused). strict: malformed UTF-8
    is an InputError with file, line and byte instead of U+FFFD. longest: maximum bytes of a line; a longer line is an
    InputError; None for `LONGEST`. errors: a handler for `bytes.decode` of malformed UTF-8; U+FFFD by default.
    """
    encoding = encodings.checked(encoding)
    name = shown(path)
    with opened(path) as file:
        if longest is None and (compression(path) or not _has_size(file)):
            longest = LONGEST
        chunks = _chunks(file, size)
        head = b""  # a slow pipe returns little at a time; its complete lines are passed on without delay
        while len(head) < _HEAD and not head.endswith(b"\n") and (more := next(chunks, b"")):
            head += more
        _refuse_what_is_not_text(head[:_HEAD], name, given=encoding, whole=len(head) < _HEAD)
        chunks = _joined(head, chunks)
        if encoding in encodings.UTF8:
            yield from _utf8_blocks(chunks, name, strict, longest, errors)
        else:
            for block in _utf8_blocks(
                encodings.transcoded(chunks, encoding, name, strict=strict), name, strict, longest
            ):
                yield replace(block, replaced=block.data.count(_REPLACEMENT))


def read_table_lines(path: str, *, blank_end: Callable[[int], None] | None = None, **reading) -> Iterator[Block]:
    """The lines of a table in a text file, as `read_blocks` yields them, without blank lines at the end, which are not rows.

    blank_end: called with the number of lines left out, if any.
    """
    return without_blank_end(read_blocks(path, **reading), blank_end or (lambda _: None), blanks=b" \n")


def without_blank_end(
    blocks: Iterator[Block], note: Callable[[int], None], *, blanks: bytes = b" \t\n\r"
) -> Iterator[Block]:
    """The records up to the last that is not blank; `note` is called with the number left out, if any.

    blanks: the characters of which a blank record consists, and a line feed.
    """
    held: list[Block] = []
    count = 0
    for block in blocks:
        last = len(block.data.rstrip(blanks))
        if not last:
            held.append(block)
            count += len(block)
            continue
        yield from held
        rows = block.data.count(b"\n", 0, last) + 1
        yield block.part(0, rows) if rows < len(block) else block
        held = [block.part(rows, len(block))] if rows < len(block) else []
        count = len(block) - rows
    if count:
        note(count)


def note_blank_end(count: int, path: str, reporter: Reporter) -> None:
    """Notes that blank rows at the end of a table are left out. count: their number."""
    if count:
        rows = "1 blank row at the end is" if count == 1 else f"{count:,} blank rows at the end are"
        reporter.note(f"{shown(path)}: {rows} left out")


def _has_size(file: ByteFile) -> bool:
    """Whether this is a regular file, whose size bounds it."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # not a file of the operating system
        return False


def _chunks(file: ByteFile, size: int) -> Iterator[bytes]:
    # read1 returns what a slow pipe has; of compressed files it would return only 8 KB at a time.
    read = (
        file.read
        if isinstance(file, (gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile))
        else getattr(file, "read1", file.read)
    )
    while chunk := read(size):
        yield chunk


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


def _utf8_blocks(
    chunks: Iterator[bytes], name: str, strict: bool, longest: int | None, errors: str = "replace"
) -> Iterator[Block]:
    first, pending, fresh = 1, [], True
    held = 0  # bytes of the incomplete last record
    for chunk in chunks:
        if fresh:
            chunk, fresh = chunk.removeprefix(codecs.BOM_UTF8), False
        end = chunk.rfind(b"\n") + 1
        if not end:  # a long record is joined only once, at its end
            pending.append(chunk)
            held += len(chunk)
            if longest is not None and held > longest:
                cure = "break it into lines, or give it as an uncompressed file" if longest == LONGEST else None
                raise InputError(f"a line of more than {longest:,} bytes", where=f"{name}, line {first}", cure=cure)
            continue
        block = _block(first, b"".join([*pending, chunk[:end]]), name, strict, errors)
        pending = [chunk[end:]] if end < len(chunk) else []
        held = len(chunk) - end
        yield block
        first += len(block)
    if rest := b"".join(pending):
        yield _block(first, rest + b"\n", name, strict, errors)


def _block(first: int, data: bytes, name: str, strict: bool, errors: str) -> Block:
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
            cure = "leave out --strict to replace it, or name the file's --encoding"
            raise InputError("not valid UTF-8", where=f"{name}, line {line}, byte {byte}", cure=cure) from None
    replaced = data.decode("utf-8", "replace").count("\ufffd") - data.count(_REPLACEMENT)
    return Block(first, data.decode("utf-8", errors).encode(), replaced)


def _refuse_what_is_not_text(head: bytes, name: str, *, given: str | None, whole: bool) -> None:
    if found := file_type.recognised(head):
        what, cure = found
        raise InputError(f"looks like {what}, not text", where=name, cure=cure)
    if given is None and (found := encodings.looks_like(head, whole=whole)):
        what, encoding = found
        raise InputError(f"looks like {what}", where=name, cure=f"use --encoding {encoding}")


def noting(blocks: Iterable[Block], path: str, reporter: Reporter) -> Iterator[Block]:
    """The same blocks, followed by a note on malformed text."""
    replaced = 0
    for block in blocks:
        replaced += block.replaced
        yield block
    note_replaced(replaced, path, reporter)


def note_replaced(count: int, path: str, reporter: Reporter) -> None:
    """Notes that malformed UTF-8 was replaced. count: number of sequences."""
    if count:
        sequences = "1 malformed UTF-8 sequence" if count == 1 else f"{count} malformed UTF-8 sequences"
        reporter.note(f"{sequences} replaced by U+FFFD: {shown(path)}; use --strict to stop at the first")


def is_interactive() -> bool:
    """Whether standard input is a terminal, so that users are not left waiting for a prompt that does not come."""
    return sys.stdin is None or sys.stdin.closed or os.isatty(sys.stdin.fileno())
