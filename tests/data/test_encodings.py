"""data/encodings: every codec that Python has is either an encoding of text files or refused."""

import encodings as python
import pkgutil

import pytest

from seqcli.data import encodings
from seqcli.data.lines import read_blocks
from seqcli.errors import InputError, UsageError

NAMES = sorted({module.name for module in pkgutil.iter_modules(python.__path__)} | {"", "none", "utf\0", "x" * 3000})
NO_TEXT = {
    "aliases", "base64_codec", "bz2_codec", "hex_codec", "idna", "mbcs", "oem", "punycode", "quopri_codec", "raw_unicode_escape",
    "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec", "", "none", "utf\0", "x" * 3000,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_codec_reads_files_or_is_a_usage_error(tmp_path, name):
    path = tmp_path / "a.txt"
    for data in (b"hello\nworld\n", "한국어\n".encode(), bytes(range(256)), b"", b"\xff", b"+2AA-\n"):
        path.write_bytes(data)
        for strict in (False, True):
            if name in NO_TEXT:
                with pytest.raises(UsageError, match="unknown encoding"):
                    list(read_blocks(str(path), encoding=name, strict=strict))
                continue
            try:
                for block in read_blocks(str(path), encoding=name, strict=strict):
                    block.data.decode()
            except InputError as error:
                assert strict or name in ("utf_16", "utf_32", "utf_8", "utf_8_sig") or "looks like" in str(error)


def test_utf16_without_its_mark_names_the_two_orders(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\0a\0b\0\n")
    with pytest.raises(InputError, match="use --encoding utf-16-le or utf-16-be"):
        list(read_blocks(str(tmp_path / "a.txt"), encoding="utf-16"))
    (block,) = read_blocks(str(tmp_path / "a.txt"), encoding="utf-16-be")
    assert block.records() == ["ab"]


def test_lone_surrogates_become_the_replacement_character():
    (chunk,) = [chunk for chunk in encodings.transcoded(iter([b"a+2AA-b"]), "utf-7", "here", strict=False) if chunk]
    assert chunk.decode().startswith("a\ufffd")
