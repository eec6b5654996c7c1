"""Formats of other tools, one module each, whose name is that of `seqcli convert --to` (with hyphens for underscores).

A module offers

    TOOL = "Hugging Face"                  the tool, for help and errors
    HOLDS = "neural models"                what it is for: neural models (the default), n-gram models or word vectors

Formats of models are folders:

    recognises(path: str) -> bool          whether a path has this format; called for every path that is not a model folder
    open(path: str) -> ModelFolder         the same as a model folder, which every command opens

    write(model: ModelFolder, folder)      writes a model into an empty folder; raises ModelError if the format cannot hold it
    is_written(folder: Path) -> bool       whether a folder was written by `write` and contains nothing else

or only the first or the last two. Formats of word vectors are files (`interop/word_vectors.py`):

    SUFFIXES = (".vec",)                   of files that are written in this format
    KEEPS_NGRAMS = False                   whether it has vectors of character n-grams

    matches(head: bytes) -> bool           whether a file with this beginning has the format
    read(path: str, *, threads: int | None) -> WordVectors
    write(path: str, vectors: WordVectors)

ARPA is the only format of n-gram models.
"""

from __future__ import annotations

import os
from types import ModuleType

from seqcli import catalog

FOLDER = "interop/formats"
MODELS, NGRAMS, VECTORS = "neural models", "n-gram models", "word vectors"


def names() -> list[str]:
    return [name.replace("_", "-") for name in catalog.names(FOLDER)]


def load(name: str) -> ModuleType:
    """The module of a format. Raises UsageError for an unknown one."""
    return catalog.load(FOLDER, name.replace("-", "_"))


def holds(name: str) -> str:
    """What a format is for: `MODELS`, `NGRAMS` or `VECTORS`."""
    return getattr(load(name), "HOLDS", MODELS)


def reader(path: str) -> ModuleType | None:
    """The format of a path, to open it as a model; None for a model folder and for anything else."""
    from seqcli.runs.model_folder import MANIFEST  # numpy

    if not os.path.exists(path) or os.path.lexists(os.path.join(path, MANIFEST)):
        return None
    modules = map(load, names())
    return next((module for module in modules if hasattr(module, "open") and module.recognises(path)), None)
