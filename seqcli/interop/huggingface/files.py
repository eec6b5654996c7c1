"""The files of a Hugging Face folder: config.json and the weights, read within bounds.

The contents of a folder are not trusted. A file is a regular file inside the folder, or a blob of the same repository in the
cache of `huggingface_hub`, whose snapshots are links; the headers of all weights are checked before anything is allocated.
Pickles are never opened.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.errors import ModelError, OutputError, listed
from seqcli.files import file_type, regular, tensor_file
from seqcli.files.foreign import find
from seqcli.system import memory

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
CURE = "download the model again"
LARGEST_CONFIG = 1 << 22  # bytes; the names of 21,000 labels take 1.5 MB
_MANIFEST = "manifest.json"  # of seqcli's own folders, which also contain a config.json
_SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors")
_FLOATING = ("F32", "BF16", "F16", "F64")
_PICKLE = re.compile(r"pytorch_model.*\.(bin|bin\.index\.json)")
_OTHER = re.compile(r"tf_model\.h5|flax_model\.msgpack|.*\.(gguf|onnx|ckpt|pt|pth)")
_ENTRIES = 1000  # maximum number of entries of a folder that are read


def is_folder(path: Path | str) -> bool:
    """Whether a folder is one of transformers: its config.json names a model_type or architectures.

    Also true if config.json cannot be read, so that opening the folder reports why.
    """
    path = Path(path)
    if not os.path.lexists(path / CONFIG) or os.path.lexists(path / _MANIFEST):
        return False
    try:
        return not read_config(path).keys().isdisjoint(("model_type", "architectures"))
    except ModelError:
        return True


def read_json(folder: Path | str, name: str, *, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """The JSON object in a file of the folder. Raises ModelError if it is missing or damaged, or if a number is not finite."""
    path = find(folder, name)
    if path is None:
        raise ModelError(f"no {name} in the folder", where=str(folder), cure=CURE)
    found = regular.read_json(path, largest=largest, cure=CURE)
    if not _is_finite(found):
        raise ModelError("contains NaN or infinity", where=str(path), cure=CURE)
    return found


def _is_finite(value: Any) -> bool:
    """Whether all numbers in a value are finite."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, float) and not math.isfinite(each):
            return False
        if isinstance(each, dict | list):
            left.extend(each.values() if isinstance(each, dict) else each)
    return True


def read_config(folder: Path | str) -> dict[str, Any]:
    """config.json. Raises ModelError as `read_json` does."""
    return read_json(folder, CONFIG)


class Weights:
    """The tensors of model.safetensors, or of the shards that model.safetensors.index.json names.

    The constructor reads only the headers. Raises ModelError if the files do not match them.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._has_room = False
        if find(folder, WEIGHTS) is not None:
            self.files = [WEIGHTS]
            self._tensors = self._read(WEIGHTS)
        elif find(folder, INDEX) is not None:
            shards = shards_of(self.folder)
            self.files = sorted(shards)
            self._tensors = {}
            for file in self.files:
                self._tensors |= self._shard(file, shards[file])
        else:
            raise without_weights(str(folder), _names_in(self.folder))

    @property
    def names(self) -> list[str]:
        return list(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].array.shape

    def dtype(self, name: str) -> str:
        """The dtype in the file, by its name in safetensors: F32, BF16, F16, ..."""
        return self._tensors[name].dtype

    @property
    def size(self) -> int:
        """The size of all floating-point tensors in float32, in bytes."""
        return sum(4 * array.size for dtype, array in self._tensors.values() if dtype in _FLOATING)

    def array(self, name: str) -> np.ndarray:
        """A tensor as float32, read-only if it is mapped without conversion.

        Raises ModelError for a tensor of integers, OutputError if the whole model does not fit into memory.
        """
        dtype, array = self._tensors[name]
        if dtype not in _FLOATING:
            what = f"{listed([name])} is stored as {dtype}, but floating-point numbers are expected"
            raise ModelError(what, where=str(self.folder), cure="give a model that is not quantised")
        self._check_memory()
        if dtype == "BF16":  # the upper half of a float32
            bits = array.astype(np.uint32)
            bits <<= 16
            return bits.view(np.float32)
        with np.errstate(over="ignore"):  # float64 may overflow to infinity, which is an error when weights are checked
            return np.require(array, np.float32, "A")

    def _check_memory(self) -> None:
        free = None if self._has_room else memory.available()
        if free is not None and self.size > free:
            raise OutputError(
                f"not enough memory: the weights take {self.size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
                where=str(self.folder), cure="use a smaller model",
            )  # fmt: skip
        self._has_room = True

    def _read(self, file: str) -> dict[str, tensor_file.Stored]:
        path = find(self.folder, file)
        if path is None:
            raise ModelError(f"no {file} in the folder, which {INDEX} names", where=str(self.folder), cure=CURE)
        try:
            return tensor_file.read_foreign(path, cure=CURE)
        except ModelError as error:
            raise _of_another_kind(path) or error from None

    def _shard(self, file: str, names: set[str]) -> dict[str, tensor_file.Stored]:
        found = self._read(file)
        if different := sorted(names ^ found.keys()):
            what = f"not the tensors that {INDEX} names: {listed(different)}"
            raise ModelError(what, where=str(self.folder / file), cure=CURE)
        return found


def _of_another_kind(path: Path) -> ModelError | None:
    """What a file without tensors is, such as a Git LFS pointer or a failed download."""
    try:
        with regular.opened(path) as file:
            found = file_type.recognised_download(file.read(512))
    except (OSError, ModelError):
        return None
    return found and ModelError(f"is {found[0]}, not safetensors", where=str(path), cure=found[1])


def shards_of(folder: Path | str) -> dict[str, set[str]]:
    """The shards that model.safetensors.index.json names, and the names of the tensors of each. Raises ModelError."""
    places = read_json(folder, INDEX, largest=regular.LARGEST_JSON).get("weight_map")
    where = str(Path(folder) / INDEX)
    if not isinstance(places, dict) or not places:
        raise ModelError("damaged (no weight_map)", where=where, cure=CURE)
    shards: dict[str, set[str]] = {}
    for name, file in places.items():
        if not isinstance(file, str) or not _SHARD.fullmatch(file):
            raise ModelError(f"{listed([str(file)])} is not the name of a shard", where=where, cure=CURE)
        shards.setdefault(file, set()).add(name)
    return shards


def without_weights(where: str, names: Iterable[str]) -> ModelError:
    """The error for a model without safetensors: which weights it has instead, and the cure. names: of its files."""
    names = sorted(names)
    convert = "convert it with transformers (from_pretrained, then save_pretrained, which writes safetensors)"
    if pickle := next(filter(_PICKLE.fullmatch, names), None):
        what = f"has its weights in {pickle}, a pickle, which may run any code and is not opened"
        cure = f"{convert}, or try another revision: conversions are often in refs/pr"
        return ModelError(what, where=where, cure=cure)
    if other := next(filter(_OTHER.fullmatch, names), None):
        return ModelError(f"has its weights in {other}, not in safetensors", where=where, cure=convert)
    return ModelError(f"has no {WEIGHTS}", where=where, cure=CURE)


def _names_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, _ENTRIES)]
