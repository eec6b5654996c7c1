"""Which files are taken for ARPA files, and that none of them is read without a bound."""

import bz2
import gzip
import lzma
import os
import resource
import time

import pytest

from seqcli.errors import ModelError
from seqcli.interop.formats import arpa
from seqcli.interop.formats.arpa import is_arpa
from seqcli.tasks.language.load import open_model

MODEL = b"\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<unk>\n-1\ta\n-1\t</s>\n\n\\end\\\n"
PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", ["m.arpa", "m.lm", "M.ARPA", "m.Lm", "m.txt", "model"])
def test_an_arpa_file_is_known_by_its_name_or_its_content(name, packed, tmp_path):
    path = tmp_path / (name + packed)
    path.write_bytes(PACKED[packed](b"A preamble.\n" + MODEL))
    assert is_arpa(str(path))
    opened = open_model(str(path))
    assert opened.tokenizer.vocabulary()[3:] == ["a"]
    assert opened.name == {"m.txt": "m.txt", "model": "model"}.get(name, name[0])


def test_other_files_and_folders_are_none(tmp_path):
    (tmp_path / "folder.arpa").mkdir()
    (tmp_path / "text").write_text("It begins with \\data\\ and goes on.\n")
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8b" + bytes(30))
    for name in ("folder.arpa", "text", "damaged.gz", "not there"):
        assert not is_arpa(str(tmp_path / name))


@pytest.mark.parametrize("name", ["m.binary", "m.klm", "m.lm", "m.arpa"])
def test_a_kenlm_binary_is_refused_with_the_cure(name, tmp_path):
    (tmp_path / name).write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(200))
    with pytest.raises(ModelError, match=r"KenLM binary.*give the ARPA file that it was built from"):
        open_model(str(tmp_path / name))


def endless(tmp_path, kind):
    path = tmp_path / "m.arpa.gz"
    if kind == "device":
        path = tmp_path / "m.arpa"
        path.symlink_to("/dev/zero")
    elif kind == "fifo":
        path = tmp_path / "m.arpa"
        os.mkfifo(path)
    else:
        zeros = gzip.compress(bytes(1 << 24), 1)
        begun = {"zeros": b"", "section": MODEL[: MODEL.index(b"-1\ta")], "blank": MODEL[: MODEL.index(b"-1\ta")]}[kind]
        tail = gzip.compress(b"\n" * (1 << 24), 1) if kind == "blank" else zeros
        path.write_bytes(gzip.compress(begun) + tail * 60)  # a gigabyte
    return path


@pytest.mark.parametrize("kind", ["zeros", "section", "blank", "device", "fifo"])
def test_no_file_is_read_without_a_bound(kind, tmp_path):
    path = endless(tmp_path, kind)
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError):
        arpa.read(path)
    assert time.monotonic() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
