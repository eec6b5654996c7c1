"""Errors for paths that are not models: what the path is instead, and which path or command was probably meant.

Recognises a URL, a text file, a checkpoint of another tool, a file inside a model folder, a folder of several models, a
misspelt name.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from seqcli import catalog, tokenizers
from seqcli.errors import ModelError, listed, nearest
from seqcli.files import file_type, regular
from seqcli.runs import checkpoint
from seqcli.text import counted

_CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".gguf", ".onnx", ".h5", ".pkl", ".ftz")
_ENTRIES = 1000  # maximum number of folder entries to examine
_ABOVE = 3  # levels above a path to search: state and tokenizer folders are inside a model folder
_ON_THE_HUB = re.compile(
    r"https?://(www\.)?(huggingface\.co|hf\.co)/(?P<name>(?!datasets/|spaces/)[\w.-]+/[\w.-]+)", re.ASCII
)
_TRAIN = "train one with `seqcli train`"


def error(source: str, *, is_model: Callable[[Path], bool]) -> ModelError:
    """source: the path as given; is_model: whether a folder is a model folder."""
    path = Path(source)
    if "://" in source:
        return ModelError("an address, not a path", where=source, cure=_download(source))
    if not path.exists():
        return ModelError("no such model", where=source, cure=_nearest(path, is_model))
    if owner := next((above for above in [*path.absolute().parents][:_ABOVE] if is_model(above)), None):
        what = "a part of a model, not its folder"
        return ModelError(what, where=source, cure=f"give {shlex.quote(os.path.relpath(owner))}")
    return _of_folder(path, is_model) if path.is_dir() else _of_file(path)


def _download(address: str) -> str:
    """The cure for an address: the name of the model if it is on the Hugging Face Hub."""
    if found := _ON_THE_HUB.match(address):
        return f"use hf:{found['name']}"
    return "download it and give its folder, or use hf:NAME for a model of the Hugging Face hub"


def _nearest(path: Path, is_model: Callable[[Path], bool]) -> str:
    if command := catalog.trained_by(str(path)):
        return f"train one with `seqcli {command} DATA -o DIR --arch {path}`"
    known = {str(path.parent / each.name): each for each in _models_in(path.parent, is_model)}
    cure = nearest(str(path), known) if known else ""
    return cure if cure.startswith("did you mean") else _TRAIN


def _models_in(folder: Path, is_model: Callable[[Path], bool]) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(
            Path(each.path) for each in islice(entries, _ENTRIES) if each.is_dir() and is_model(Path(each.path))
        )
    return []


def _of_folder(path: Path, is_model: Callable[[Path], bool]) -> ModelError:
    where = str(path)
    if inside := _models_in(path, is_model):
        what = f"a folder of {counted(len(inside), 'model')}"
        cure = "give one of them" if len(inside) > 1 else "give the model"
        return ModelError(f"{what}, not a model", where=where, cure=f"{cure}: {listed(map(str, inside))}")
    if checkpoint.are_here(path):
        return ModelError("a training that has saved no model yet", where=where, cure="train it further with --resume")
    if (path / tokenizers.FILE).is_file() and not (path / "config.json").is_file():
        return ModelError("a tokenizer, not a model", where=where, cure=f"{_TRAIN} --tokenizer {shlex.quote(where)}")
    if (path / "config.json").is_file():
        what = "not a Hugging Face model: its config.json names neither model_type nor architectures"
        return ModelError(what, where=where, cure=_TRAIN)
    return ModelError("no manifest.json in the model folder", where=where, cure="train again, or give another")


def _of_file(path: Path) -> ModelError:
    where, name, head = str(path), shlex.quote(str(path)), b""
    with suppress(OSError), regular.opened(path) as file:
        head = file.read(512)
    if found := file_type.recognised_model(head):
        return ModelError(found[0], where=where, cure=found[1])
    if path.suffix == ".model":
        cure = f"train a model with it: `seqcli train lm DATA -o DIR --tokenizer {name}`"
        return ModelError("a tokenizer, not a model", where=where, cure=cure)
    if path.suffix in _CHECKPOINTS:
        return ModelError("a checkpoint of another tool, not a model folder", where=where, cure=_TRAIN)
    with suppress(UnicodeDecodeError):
        if found := file_type.recognised(head):
            return ModelError(f"looks like {found[0]}, not a model folder", where=where, cure=found[1])
        if head and b"\0" not in head:
            codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be incomplete
            return ModelError(
                "a text, not a model", where=where, cure=f"make one of it: `seqcli train lm {name} -o DIR`"
            )
    return ModelError("not a model folder", where=where, cure="give the folder that `seqcli train -o` wrote")
