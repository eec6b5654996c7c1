"""magic: what the standard library and pyarrow write is recognised, and text never is."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.files import file_type


def archive(module) -> bytes:
    out = io.BytesIO()
    if module is zipfile:
        with zipfile.ZipFile(out, "w") as file:
            file.writestr("a.txt", "a")
    else:
        with tarfile.open(fileobj=out, mode="w") as file:
            file.addfile(tarfile.TarInfo("a.txt"))
    return out.getvalue()


def database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table a (b)")
        return connection.serialize()


FILES = {
    "gzip data": lambda: gzip.compress(b"a"),
    "bzip2 data": lambda: bz2.compress(b"a"),
    "xz data": lambda: lzma.compress(b"a"),
    "Zstandard data": lambda: pytest.importorskip("pyarrow").compress(b"a", "zstd", asbytes=True),
    "a zip archive": lambda: archive(zipfile),
    "a tar archive": lambda: archive(tarfile),
    "an SQLite database": database,
    "a Python pickle": lambda: pickle.dumps({"a": "b" * 10}),
    "a Git LFS pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
}


@pytest.mark.parametrize("what", FILES)
def test_files_of_other_tools_are_recognised(what):
    assert file_type.recognised(FILES[what]()[:4096])[0] == what


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=40))
def test_text_is_not(text):
    assert file_type.recognised(text.encode()) is None


def test_words_that_begin_as_signatures_do():
    for text in ("BZh is short for", "ORCs and elves", "PAR1 is a course", "GIF8 or not", "LZIP is a program\n"):
        assert file_type.recognised(text.encode()) is None


def test_a_web_page_is_no_model():
    assert (
        file_type.recognised_download(b" <!DOCTYPE html><html>")[0] == "a web page"
        and file_type.recognised(b"<html>") is None
    )
