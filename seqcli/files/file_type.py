"""Recognises data that is not text by its first bytes: compressed files, archives, images, failed downloads.

The signatures are those of file(1). Encodings of text are recognised in `data/encodings.py`.
"""

from __future__ import annotations

KENLM = b"mmap lm http://kheafield.com/code"
FASTTEXT = b"\xba\x16\x4f\x2f"  # the int32 793712314; then the version and the arguments of the training, int32 each
FASTTEXT_MODEL, FASTTEXT_SUPERVISED = {1: "cbow", 2: "skipgram", 3: "supervised"}, 3
_FASTTEXT_MODEL_AT = 36  # bytes
_SIGNATURES = {  # first bytes: name of the format, and the cure
    b"\x1f\x8b": ("gzip data", "name it .gz, or decompress it first"),
    b"BZh": ("bzip2 data", "name it .bz2, or decompress it first"),
    b"\xfd7zXZ\x00": ("xz data", "name it .xz, or decompress it first"),
    b"\x28\xb5\x2f\xfd": ("Zstandard data", "name it .zst, or decompress it first"),
    b"\x04\x22\x4d\x18": ("LZ4 data", "decompress it first"),
    b"\x1f\x9d": ("compress (.Z) data", "decompress it first"),
    b"\x1f\xa0": ("compress (.Z) data", "decompress it first"),
    b"LZIP": ("lzip data", "decompress it first"),
    b"\x89LZO": ("lzop data", "decompress it first"),
    b"\xff\x06\x00\x00sNaPpY": ("Snappy data", "decompress it first"),
    b"PK\x03\x04": ("a zip archive", "decompress it first"),
    b"PK\x05\x06": ("an empty zip archive", "give a text file"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "decompress it first"),
    b"Rar!\x1a\x07": ("a RAR archive", "decompress it first"),
    b"PAR1": ("a Parquet file", "name it .parquet"),
    b"ARROW1": ("an Arrow file", "save it as .parquet"),
    b"\xff\xff\xff\xff": ("an Arrow stream", "save it as .parquet"),
    b"FEA1": ("a Feather file", "save it as .parquet"),
    b"Obj\x01": ("an Avro file", "save it as .parquet or .jsonl"),
    b"ORC": ("an ORC file", "save it as .parquet or .jsonl"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "give a text file"),
    b"SQLite format 3\x00": ("an SQLite database", "export a table as .csv"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("a Microsoft Office document", "save it as text or .csv"),
    b"\x93NUMPY": ("a NumPy array", "give a text file"),
    b"\x80\x02": ("a Python pickle", "give a text file"),
    b"\x80\x03": ("a Python pickle", "give a text file"),
    b"\x80\x04\x95": ("a Python pickle", "give a text file"),
    b"\x80\x05\x95": ("a Python pickle", "give a text file"),
    b"\x89PNG": ("a PNG image", "give a text file"),
    b"\xff\xd8\xff": ("a JPEG image", "give a text file"),
    b"GIF8": ("a GIF image", "give a text file"),
    b"%PDF-": ("a PDF document", "extract its text first"),
    b"OggS\x00": ("an Ogg recording", "give a text file"),
    b"ID3\x03": ("an MP3 recording", "give a text file"),
    b"ID3\x04": ("an MP3 recording", "give a text file"),
    b"fLaC\x00": ("a FLAC recording", "give a text file"),
    KENLM: ("a KenLM binary model", "give the ARPA file that it was built from"),
    FASTTEXT: ("a fastText model", "give it with -m"),
    b"blmt ": ("an IRSTLM binary model", "give the ARPA file that it was built from"),
    b"\x7fELF": ("a program", "give a text file"),
    b"version https://git-lfs.github.com/spec/": ("a Git LFS pointer", "run git lfs pull to get the file itself"),
}
_ZIP, _OFFICE = b"PK\x03\x04", (b"[Content_Types].xml", b"xl/", b"word/", b"mimetypeapplication/vnd.oasis.opendocument")
_TAR = (257, b"ustar")
_PAGES = (b"<!doctype html", b"<html")


def recognised(head: bytes) -> tuple[str, str] | None:
    """What these first bytes are if they are not text, and the cure: ("a zip archive", "decompress it first")."""
    if head.startswith(_ZIP) and any(sign in head for sign in _OFFICE):
        return "a spreadsheet or another Office document", "save it as .csv or as text"
    for signature, found in _SIGNATURES.items():
        if head.startswith(signature):
            # A text may begin with these letters; as in file(1), the following bytes decide.
            if signature == b"BZh" and not head[3:4].isdigit():
                continue
            if signature in (b"ORC", b"PAR1", b"LZIP", b"GIF8") and _is_plain(head[len(signature) :][:32]):
                continue
            return found
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"WEBP", b"AVI "):
        return "a recording or an image (RIFF)", "give a text file"
    if head[_TAR[0] :].startswith(_TAR[1]):
        return "a tar archive", "decompress it first"
    return None


def is_fasttext_classifier(head: bytes) -> bool:
    """Whether these are the first bytes of a supervised fastText model."""
    kind = head[_FASTTEXT_MODEL_AT : _FASTTEXT_MODEL_AT + 4]
    return head.startswith(FASTTEXT) and int.from_bytes(kind, "little") == FASTTEXT_SUPERVISED


def recognised_model(head: bytes) -> tuple[str, str] | None:
    """What model of another tool begins with these bytes, and the cure for a user whose command does not open it."""
    if head.startswith(KENLM):
        return (
            "a KenLM binary file, which only KenLM reads",
            "give the ARPA file that it was built from, or the folder that `seqcli convert FILE.arpa DIR` makes of that",
        )
    if is_fasttext_classifier(head):
        return "a fastText classifier", "use it with seqcli classify"
    if head.startswith(FASTTEXT):
        return "a fastText model of word vectors, not of labels", "use it with seqcli embed"
    return None


def recognised_download(head: bytes) -> tuple[str, str] | None:
    """Like `recognised`, for files that should not be text: a server may send a web page in place of a missing file."""
    if head.lstrip()[:16].lower().startswith(_PAGES):
        return "a web page", "download the file again, from its own address"
    return recognised(head)


def _is_plain(data: bytes) -> bool:
    return data.isascii() and all(byte >= 32 or byte in b"\t\n\r" for byte in data)
