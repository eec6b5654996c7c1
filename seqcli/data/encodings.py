"""Encodings of text: valid names, incremental decoding, and detection of the encoding of a text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from seqcli.errors import InputError, UsageError

# Codecs that do not encode files: of host names, of Python source code, and one that always fails.
_NOT_OF_FILES = {
    "idna",
    "punycode",
    "undefined",
    "unicode_escape",
    "raw_unicode_escape",
    "unicode-escape",
    "raw-unicode-escape",
}
UTF8 = (None, "utf-8", "utf-8-sig")


def checked(encoding: str | None) -> str | None:
    """The canonical name of the encoding. Raises UsageError if it is not an encoding of text files."""
    if encoding is None:
        return None
    try:
        codec = codecs.lookup(encoding)
        text = codec._is_text_encoding and codec.incrementaldecoder and codec.name not in _NOT_OF_FILES
        if not text:  # base64, rot13 and the like
            raise LookupError
        return codec.name
    except (LookupError, UnicodeError, ValueError):
        raise UsageError(f"unknown encoding {encoding!r}", cure="for example utf-8, cp949, utf-16") from None


def transcoded(chunks: Iterator[bytes], encoding: str, name: str, *, strict: bool) -> Iterator[bytes]:
    """The chunks as UTF-8; malformed text becomes U+FFFD or, with `strict`, an InputError."""
    decoder = codecs.getincrementaldecoder(encoding)("strict" if strict else "replace")
    try:
        for chunk in chunks:
            yield _utf8(decoder.decode(chunk))
        yield _utf8(decoder.decode(b"", True))
    except UnicodeError as error:  # such as UTF-16 without a byte order mark, which errors="replace" does not cover
        without_mark = encoding in ("utf-16", "utf-32") and "BOM" in str(error)
        cure = f"use --encoding {encoding}-le or {encoding}-be" if without_mark else None
        raise InputError(f"not {encoding} ({getattr(error, 'reason', error)})", where=name, cure=cure) from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates, which UTF-7 and some UTF-16 data can contain
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()


def looks_like(head: bytes, *, whole: bool) -> tuple[str, str] | None:
    """What kind of text this seems to be if it is not UTF-8, and its encoding: ("CP949 (EUC-KR) text", "cp949").

    whole: whether `head` is the complete text.
    """
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
        if head.startswith(mark):
            return f"{name.upper()} text", name
    if order := _utf16_without_mark(head):
        return "UTF-16 text", order
    return ("CP949 (EUC-KR) text", "cp949") if _looks_like_cp949(head, whole) else None


def _utf16_without_mark(head: bytes) -> str | None:
    """Whether there are NULs at only even or only odd positions: nearly all of them in Latin text, those of the blanks in
    other scripts."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[offset::2].count(0), head[1 - offset :: 2].count(0)
        share = zeros / max(len(head) // 2, 1)
        latin = share > 0.4 and zeros > 8 * others
        other_script = share > 0.05 and zeros > 2 * others and not _is_utf8(head)
        if len(head) >= 8 and (latin or other_script):
            return encoding
    return None


def _is_utf8(head: bytes) -> bool:
    """Whether this is UTF-8, ignoring an incomplete character at the end."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


def _looks_like_cp949(head: bytes, whole: bool) -> bool:
    """Whether this is not UTF-8, but valid CP949 and mostly Hangul syllables."""
    head = head if whole else head[: head.rfind(b"\n") + 1] or head[:-3]
    if _is_utf8(head):
        return False
    for cut in range(2):  # the last byte may be an incomplete character
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
