"""Resolves an input to files: a file, all files of a folder, or the files that match a pattern such as `data/*.txt`.

Folders are searched recursively, without hidden files (`.name`), in the order of the paths. Every file found is an input
like any other, so that one that is not text is an error rather than left out. A name that exists is never treated as a
pattern.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path

from seqcli.data.files import STDIN
from seqcli.errors import InputError

SCHEME = "hf:"  # of the data sets of the Hugging Face Hub
_MODEL = "manifest.json"  # marks a model folder
_MOST_RECORDED = 1000


def is_hub(path: str) -> bool:
    return path.startswith(SCHEME)


def expanded(paths: Iterable[str]) -> tuple[str, ...]:
    """The files, standard input ("-") and data sets of the Hub that `paths` stand for. Raises InputError if one matches no
    files."""
    return tuple(file for path in paths for file in _files(path))


def recorded(paths: Sequence[str]) -> list[str]:
    """File names without folders, for a model's record; of very many files, the first ones and the number of the others."""
    names = [path if is_hub(path) else Path(path).name for path in paths[:_MOST_RECORDED]]
    others = len(paths) - len(names)
    return [*names, f"and {others:,} more"] if others else names


def _files(path: str) -> Sequence[str]:
    if path == STDIN or is_hub(path):
        return [path]
    if os.path.isdir(path):
        return _in_folder(path)
    if os.path.lexists(path) or not any(sign in path for sign in "*?["):
        return [path]
    found = sorted(_below(path) if "**" in path.split("/") else glob(path))
    files = [each for each in found if not os.path.isdir(each)]
    if not found:
        raise InputError("no file matches", where=path, cure="check the pattern and the folder")
    return files or [file for folder in found for file in _in_folder(folder)]


def _below(pattern: str) -> Iterator[str]:
    """The files that match a pattern; `**` matches any number of folders. (The `glob` module would follow cyclic links.)"""
    before, _, after = pattern.partition("**")
    pattern_parts = ["**", *filter(None, after.split("/"))]
    for folder in glob(before) if before else ["."]:
        for path in _walk(folder, set()):
            if _matches(os.path.relpath(path, folder).split("/"), pattern_parts):
                yield os.path.normpath(path)


def _matches(names: Sequence[str], pattern_parts: Sequence[str]) -> bool:
    if not pattern_parts:
        return not names
    if pattern_parts[0] == "**":
        return _matches(names, pattern_parts[1:]) or (bool(names) and _matches(names[1:], pattern_parts))
    return bool(names) and fnmatchcase(names[0], pattern_parts[0]) and _matches(names[1:], pattern_parts[1:])


def _in_folder(folder: str) -> list[str]:
    if os.path.isfile(os.path.join(folder, _MODEL)):
        raise InputError("is a model folder, not text", where=folder, cure="give files of text, and the model with -m")
    found = sorted(_walk(folder, set()))
    if not found:
        raise InputError("no files in this folder", where=folder, cure="give a folder of text files")
    return found


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """All files below a folder; links are followed, but no folder is read twice."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"cannot read ({error.strerror})", where=folder) from None
    for entry in visible:
        if entry.is_dir():
            yield from _walk(entry.path, seen)
        elif entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):  # not a FIFO or socket
            yield entry.path
