"""Damage to a model, drawn from a random generator: bytes, kinds of file, settings, tensors, lines of an ARPA file.

Each function changes one file in place and returns what it did.
"""

import gzip
import hashlib
import json
import os
import shutil
from pathlib import Path
from random import Random

import numpy as np

from seqcli.files import tensor_file

VALUES = [
    10**12, 2**63, 10**400, -1, 0, 7, 3.5, 1e308, float("nan"), float("-inf"), True, None, "", "x", "../../etc/passwd", "a" * 5000,
    "\x1b[31m", "\ud800", [], {}, [1], [[[[]]]], {"a": 1}, 1 << 20, 2**31,
]  # fmt: skip
DOCUMENTS = [b"[" * 100_000 + b"]" * 100_000, b"[1]", b"", b"\xff\xfe{", b'{"a":' * 50_000, b"{}" + b" " * (17 << 20)]
LINES = [
    b"nan\ta\t0", b"-1e400\ta", b"-1\ta\tnan", b"\t\t\t", b"\\9-grams:", b"\\end\\", b"\\data\\", b"ngram 1=100000000000", b"\0" * 99, b"x " * 99_999,
]  # fmt: skip


def changed_bytes(rng: Random, path: Path) -> str:
    data, way = bytearray(path.read_bytes()), rng.choice(["cut", "flip", "flip", "noise", "emptied", "longer"])
    at = rng.randrange(max(len(data), 1))
    if way == "cut":
        del data[at:]
    elif way == "emptied":
        data.clear()
    elif way == "longer" or not data:
        data += rng.randbytes(rng.choice([1, 8, 1000]))
    else:
        for place in [at] if way == "flip" else rng.choices(range(len(data)), k=32):
            data[place] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"{way} at {at}"


def another_kind(rng: Random, path: Path) -> str:
    way = rng.choice(["fifo", "folder", "missing", "/dev/zero", "/dev/full", "/proc/self/environ", path.name])
    path.unlink()
    if way == "fifo":
        os.mkfifo(path)
    elif way == "folder":
        path.mkdir()
    elif way != "missing":
        path.symlink_to(way)
    return way


def changed_settings(rng: Random, path: Path) -> str:
    """A value of a JSON file set, dropped or renamed; or another document."""
    if rng.random() < 0.15:
        path.write_bytes(document := rng.choice(DOCUMENTS))
        return f"a document of {len(document)} bytes"
    whole = json.loads(path.read_text())
    inside, places = [whole], []
    while inside:
        value = inside.pop()
        keys = value if isinstance(value, dict) else range(min(4, len(value)))
        places += [(value, key) for key in keys]
        inside += [value[key] for key in keys if isinstance(value[key], dict | list)]
    holder, key = rng.choice(places)
    value, way = rng.choice(VALUES), rng.choice(["set", "set", "set", "dropped", "renamed"])
    if way == "set" or isinstance(holder, list):
        holder[key] = value
    else:
        old = holder.pop(key)
        if way == "renamed":
            holder[rng.choice(["../x.json", "/etc/passwd", "a" * 300])] = old
    path.write_text(json.dumps(whole))
    return f"{key} {way} {str(value)[:30]!r}"


def changed_tensor(rng: Random, path: Path) -> str:
    """The numbers of a tensor, its shape or type, or the header."""
    if rng.random() < 0.15:
        data = path.read_bytes()
        path.write_bytes(rng.choice([2**63, 2**64 - 1, 10**8, 0, len(data)]).to_bytes(8, "little") + data[8:])
        return "another length of the header"
    tensors = {name: np.array(array) for name, array in tensor_file.read(path).items()}
    name = rng.choice(sorted(tensors))
    array = tensors[name]
    way = rng.choice(["nan", "one nan", "inf", "largest", "smallest", "zero", "noise", "longer", "other type", "gone"])
    limits = np.finfo(array.dtype) if array.dtype.kind == "f" else np.iinfo(array.dtype)
    values = {"largest": limits.max, "smallest": limits.min, "zero": 0}
    if array.dtype.kind == "f":
        values |= {"nan": np.nan, "inf": np.inf, "one nan": np.nan}
    if way == "gone":
        del tensors[name]
    elif way == "longer":
        tensors[name] = np.concatenate([array, array]) if array.ndim else array[None]
    elif way == "other type":
        tensors[name] = array.view(np.uint8) if array.ndim else array.astype(np.float64)
    elif way == "noise":
        tensors[name] = np.frombuffer(rng.randbytes(array.nbytes), array.dtype).reshape(array.shape)
    elif array.size:
        array.reshape(-1)[rng.randrange(array.size) if way == "one nan" else slice(None)] = values.get(way, limits.max)
    tensor_file.write(path, {name: tensor_file.tensor(array) for name, array in tensors.items()})
    return f"{name} {way}"


def changed_lines(rng: Random, path: Path) -> str:
    """Lines of an ARPA file, or what its archive unpacks to."""
    packed = path.suffix == ".gz"
    lines = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).split(b"\n")
    at, way = (
        rng.randrange(len(lines)),
        rng.choice(["gone", "twice", "another", "another", "swapped", "zeros", "a long line"]),
    )
    if way == "gone":
        del lines[at]
    elif way == "twice":
        lines.insert(at, lines[at])
    elif way == "another":
        lines[at] = rng.choice(LINES)
    elif way == "swapped":
        lines[at], lines[0] = lines[0], lines[at]
    elif way == "zeros":
        lines = [bytes(1 << 26)]
    elif way == "a long line":
        lines[at] = b"-1 " + b"a" * (1 << 26)
    data = b"\n".join(lines)
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    return f"line {at} {way}"


def put_right(model: Path) -> None:
    """Sizes and checksums of the manifest fit the damaged files: what is left is what the settings and tensors say."""
    manifest = json.loads((model / "manifest.json").read_text())
    for name in manifest["files"]:
        data = (model / manifest["current"] / name).read_bytes()
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (model / "manifest.json").write_text(json.dumps(manifest))


def copied(model: Path, place: Path) -> Path:
    if model.is_dir():
        shutil.copytree(
            model, place, ignore=shutil.ignore_patterns(".lock", "README.md", "metrics.jsonl", "checkpoints")
        )
    else:
        shutil.copy(model, place)
    return place
