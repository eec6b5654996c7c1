"""data/files: compressed files are read as if they were not, and whatever is wrong with a path is bad input."""

import bz2
import gzip
import lzma
import os
import random

import pytest

from seqcli.data.files import compression, unpacked_name
from seqcli.data.lines import read_blocks
from seqcli.errors import InputError

TEXT = "".join(f"{n} 나는 기계 학습을 공부한다\n" for n in range(5000)).encode()


def zstd(data: bytes) -> bytes:
    return pytest.importorskip("pyarrow").compress(data, "zstd", asbytes=True)


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


def records(path) -> list[str]:
    return [record for block in read_blocks(str(path)) for record in block.records()]


@pytest.mark.parametrize("suffix", PACKED)
def test_a_compressed_file_is_read_as_what_it_holds(tmp_path, suffix):
    packed = PACKED[suffix](TEXT)
    for name in (f"a.txt{suffix}", f"a.txt{suffix.upper()}"):
        (tmp_path / name).write_bytes(packed)
        assert records(tmp_path / name) == TEXT.decode().split("\n")[:-1]
        assert compression(name).lower() == suffix and unpacked_name(name) == "a.txt"
    (tmp_path / f"twice{suffix}").write_bytes(packed + PACKED[suffix](b"more\n"))  # as `cat` joins them
    assert records(tmp_path / f"twice{suffix}")[-2:] == [TEXT.decode().split("\n")[-2], "more"]
    (tmp_path / "plain.txt").write_bytes(packed)
    with pytest.raises(InputError, match=f"looks like .*; name it {suffix}, or decompress it first"):
        records(tmp_path / "plain.txt")


@pytest.mark.parametrize("suffix", PACKED)
def test_damaged_compressed_files_are_bad_input(tmp_path, suffix):
    """Cut anywhere, or with bytes changed: a change that the format has no checksum for may pass."""
    packed, rng = PACKED[suffix](TEXT), random.Random(0)
    path = tmp_path / f"a{suffix}"
    for _ in range(15):
        path.write_bytes(packed[: rng.randrange(1, len(packed) - 1)])
        with pytest.raises(InputError, match=r"damaged|looks like"):
            records(path)
    for _ in range(15):
        damaged = bytearray(packed)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            records(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_paths_that_cannot_be_opened_are_bad_input(tmp_path):
    (tmp_path / "file").write_text("x")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for name in ("absent", "n" * 300, "a/" * 3000, "file/x", "loop", "", "nul\0l", "n\udcff"):
        for suffix in ("", *PACKED):
            with pytest.raises(InputError):
                records(f"{tmp_path}/{name}{suffix}" if name else suffix)
