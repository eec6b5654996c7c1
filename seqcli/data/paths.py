"""Which files an input is: the file of that name, all files of a folder, or those that a pattern such as `data/*.txt` matches.

A folder is read with its subfolders, without hidden files (`.name`), in the order of the paths. Every file in it is an
input like any other, so that one that is not text is an error and not left out. What exists by a name is never taken for a
pattern.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path

from seqcli.data import hub
from seqcli.data.files import STDIN
from seqcli.errors import InputError

_MODEL = "manifest.json"  # of a model folder
_MOST_RECORDED = 1000


def expanded(paths: Iterable[str]) -> tuple[str, ...]:
    """The files, standard input ("-") and data sets of the hub that `paths` mean. Raises InputError where one has no files."""
    return tuple(file for path in paths for file in _files(path))


def recorded(paths: Sequence[str]) -> list[str]:
    """For a model's record: names without folders; of very many files the first, and how many others there are."""
    names = [path if hub.is_hub(path) else Path(path).name for path in paths[:_MOST_RECORDED]]
    others = len(paths) - len(names)
    return [*names, f"and {others:,} more"] if others else names


def _files(path: str) -> Sequence[str]:
    if path == STDIN or hub.is_hub(path):
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
    """The files that match a pattern with `**`, any number of folders. (`glob` would follow links around in circles.)"""
    before, _, after = pattern.partition("**")
    wanted = ["**", *filter(None, after.split("/"))]
    for folder in glob(before) if before else ["."]:
        for path in _walk(folder, set()):
            if _matches(os.path.relpath(path, folder).split("/"), wanted):
                yield os.path.normpath(path)


def _matches(names: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not names
    if wanted[0] == "**":
        return _matches(names, wanted[1:]) or (bool(names) and _matches(names[1:], wanted))
    return bool(names) and fnmatchcase(names[0], wanted[0]) and _matches(names[1:], wanted[1:])


def _in_folder(folder: str) -> list[str]:
    if os.path.isfile(os.path.join(folder, _MODEL)):
        raise InputError("is a model folder, not text", where=folder, cure="give the text; a model is named with -m")
    found = sorted(_walk(folder, set()))
    if not found:
        raise InputError("no files in this folder", where=folder, cure="give a folder of text files")
    return found


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """The files below a folder; links are followed, but no folder is read twice."""
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
        elif entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):  # no FIFO, no socket
            yield entry.path
