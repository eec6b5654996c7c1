"""tensor_file against the safetensors library, and against damage: a bad file is a ModelError and nothing else."""

import hashlib
import json
import random

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seqcli.errors import ModelError
from seqcli.files import tensor_file

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"]
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
arrays = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))
named = st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"), arrays, max_size=5)


def same(left, right):
    return left.keys() == right.keys() and all(
        left[n].dtype == right[n].dtype and left[n].shape == right[n].shape and left[n].tobytes() == right[n].tobytes()
        for n in left
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tensors") / "t.safetensors"


@settings(deadline=None)
@given(named)
def test_the_library_reads_what_we_write(path, tensors):
    sums = tensor_file.write(path, {n: tensor_file.tensor(a) for n, a in tensors.items()}, metadata={"made": "here"})
    assert same(safetensors.numpy.load_file(path), tensors)
    assert same(tensor_file.read(path), tensors)
    assert all(array.flags.aligned for array in tensor_file.read(path).values())
    data = path.read_bytes()
    assert sums == (hashlib.sha256(data).hexdigest(), xxhash.xxh3_128_hexdigest(data))
    assert sums == (tensor_file.sha256_of(path), tensor_file.xxh3_of(path))
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata() == {"made": "here"}


@settings(deadline=None)
@given(named)
def test_we_read_what_the_library_writes(path, tensors):
    safetensors.numpy.save_file({n: np.ascontiguousarray(a).reshape(a.shape) for n, a in tensors.items()}, path)
    assert same(tensor_file.read(path), tensors)


def test_a_tensor_may_come_in_pieces(path, monkeypatch):
    monkeypatch.setattr(tensor_file, "_BLOCK", 7)
    pieces = (np.arange(begin, begin + 10, dtype=np.int32).reshape(5, 2) for begin in range(0, 100, 10))
    tensor_file.write(path, {"a": tensor_file.Tensor(np.dtype(np.int32), (50, 2), pieces)})
    assert np.array_equal(tensor_file.read(path)["a"], np.arange(100).reshape(50, 2))


def test_what_is_read_is_mapped_and_cannot_be_written(path):
    tensor_file.write(path, {"a": tensor_file.tensor(np.arange(3))})
    tensors = tensor_file.read(path)
    with pytest.raises(ValueError, match="read-only"):
        tensors["a"][0] = 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "t.safetensors"
    arrays = {"words": np.arange(99, dtype=np.uint32), "none": np.zeros((0, 3)), "p": np.ones((4, 5), np.float32)}
    tensor_file.write(path, {name: tensor_file.tensor(array) for name, array in arrays.items()})
    return path.read_bytes()


def test_a_truncated_file_is_a_damaged_model(path, whole):
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"t\.safetensors"):
            tensor_file.read(path)


def test_a_changed_header_is_refused_or_still_fits_the_file(path, whole):
    draw = random.Random(1)
    head = 8 + int.from_bytes(whole[:8], "little")
    for place in [p for p in range(head) for _ in range(6)]:
        damaged = bytearray(whole)
        damaged[place] = draw.choice([draw.randrange(256), ord(draw.choice('0123456789"[]{},:'))])
        path.write_bytes(damaged)
        try:
            tensors = tensor_file.read(path)
        except ModelError:
            continue
        assert sum(tensor.nbytes for tensor in tensors.values()) <= len(whole)


def with_header(header, data=bytes(8)) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data


def entry(shape, *, dtype="U8", offsets=(0, 8)):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}}


MALFORMED = {
    "empty file": b"",
    "no header": bytes(8),
    "header of 2^63 bytes": (2**63).to_bytes(8, "little"),
    "header beyond the format's limit": (10**8 + 1).to_bytes(8, "little") + bytes(100),
    "header not UTF-8": with_header(b"\xff\xfe"),
    "header nested deep": with_header(b"[" * 100_000),
    "header a list": with_header([]),
    "entry a number": with_header({"a": 3}),
    "entry empty": with_header({"a": {}}),
    "unknown type": with_header(entry([8], dtype="BF17")),
    "type a list": with_header(entry([8], dtype=["U8"])),
    "three offsets": with_header(entry([8], offsets=(0, 8, 8))),
    "negative extent": with_header(entry([-8], offsets=(8, 0))),
    "extent a truth value": with_header(entry([True, 8])),
    "extent a fraction": with_header(entry([8.0])),
    "shape a text": with_header(entry("8")),
    "shape a number": with_header(entry(8)),
    "10^12 elements": with_header(entry([10**12])),
    "2^124 elements": with_header(entry([2**62, 2**62], offsets=(0, 2**124))),
    "0 times 2^70 elements": with_header(entry([0, 2**70], offsets=(0, 0)), b""),
    "201 axes": with_header(entry([1] * 200 + [8])),
    "hole at the end": with_header(entry([4], offsets=(0, 4))),
    "hole at the beginning": with_header(entry([4], offsets=(4, 8))),
    "two in one place": with_header({**entry([8]), "b": entry([8])["a"]}),
    "pickle": b"\x80\x04\x95pickle of something",
    "npy": b"\x93NUMPY\x01\x00",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"t\.safetensors"):
        tensor_file.read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ModelError, match="cannot read"):
            tensor_file.read(place)
