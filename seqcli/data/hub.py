"""Data sets of the Hugging Face Hub, or a folder that `datasets` can read: `hf:NAME[:CONFIG][@SPLIT]`.

A folder that exists takes precedence over a data set on the Hub, whatever characters its name contains.

Rows are streamed: only what is read is downloaded, and nothing is prepared on disk. This is the only file that uses
`datasets`, which is imported when a data set is opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from seqcli.data.arrow_rows import inner, nested_columns
from seqcli.data.columns import ColumnChoice, Rows, cells_of
from seqcli.data.paths import SCHEME
from seqcli.errors import InputError, SeqcliError

_PARTS = re.compile(r"(?P<name>.+?)(:(?P<config>[^:@/]+))?(@(?P<split>[^@/]+))?", re.DOTALL)
_ROWS = 1024
_LONGEST = 300  # maximum length of a message of `datasets` in an error


def check(path: str) -> None:
    """Raises InputError if there is no such data set, configuration or split."""
    _opened(path)


def read_rows(path: str, columns: Sequence[ColumnChoice]) -> Iterator[Rows]:
    """The requested columns of a data set; None requests the text column."""
    first = 1
    for cells in _batches(path, columns):
        yield Rows(first, cells)
        first += len(cells)


_SAVED = ("state.json", "dataset_dict.json")  # written by `save_to_disk`


class _Address(NamedTuple):
    name: str
    config: str | None
    split: str | None


def _parsed(path: str) -> _Address:
    """Splits an address: the longest prefix that is an existing folder, else at the signs."""
    text = path.removeprefix(SCHEME)
    if os.path.isdir(text):
        return _Address(text, None, None)
    rest, at, split = text.rpartition("@")
    if at and os.path.isdir(rest):
        return _Address(rest, None, split or None)
    rest, at, split = (rest, at, split) if at else (text, "", "")
    folder, colon, config = rest.rpartition(":")
    if colon and os.path.isdir(folder):
        return _Address(folder, config or None, split or None)
    parts = _PARTS.fullmatch(text)
    if not parts:
        raise InputError(
            "missing data set name", where=path, cure="use hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG@SPLIT"
        )
    return _Address(parts["name"], parts["config"], parts["split"])


@cache
def _opened(path: str):
    """Opens the data set for streaming: the Hub is queried once, and the rows can be read repeatedly."""
    address = _parsed(path)
    import datasets  # 0.5 s

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        split = address.split or "train"
        if any(os.path.isfile(os.path.join(address.name, file)) for file in _SAVED):
            saved = datasets.load_from_disk(address.name)
            return saved[split] if isinstance(saved, datasets.DatasetDict) else saved
        return datasets.load_dataset(address.name, address.config, split=split, streaming=True)
    except Exception as error:  # of `datasets`, HTTP clients and file systems, with several base classes
        raise _bad_input(error, path) from None


def _batches(path: str, columns: Sequence[ColumnChoice]) -> Iterator[list[tuple[str, ...]]]:
    dataset = _opened(path)
    try:
        names = dataset.column_names or list(next(iter(dataset), {}))
    except Exception as error:
        raise _bad_input(error, path) from None
    if not names:
        return
    features = dataset.features or {}
    # Also for columns given by number, since a data set always has names.
    fields = nested_columns(columns, names, list(_leaves({name: features.get(name) for name in names})), path)
    first = 1
    try:
        for batch in dataset.select_columns(list(dict.fromkeys(names[place] for place, _ in fields))).iter(
            batch_size=_ROWS
        ):
            cells = []
            for place, name in fields:
                values = inner(list(batch[names[place]]), names[place], name)
                values = _named(values, _feature(features, name))
                cells.append(cells_of(values, name, lambda k: f"{path}, row {first + k}"))  # noqa: B023 - used at once
            yield list(zip(*cells))
            first += len(cells[0])
    except SeqcliError:
        raise
    except Exception as error:
        raise _bad_input(error, path) from None


def _leaves(features: Mapping[str, object]) -> Iterator[str]:
    """The names of all features, dotted for nested ones."""
    for name, feature in features.items():
        if isinstance(feature, Mapping) and feature:
            yield from (f"{name}.{each}" for each in _leaves(feature))
        elif languages := getattr(feature, "languages", None):  # of a translation feature
            yield from (f"{name}.{each}" for each in languages)
        else:
            yield name


def _feature(features: Mapping[str, object], name: str) -> object:
    """The feature with this name, which may be dotted."""
    if name in features:
        return features[name]
    for top, feature in features.items():
        if name.startswith(f"{top}.") and isinstance(feature, Mapping):
            return _feature(feature, name[len(top) + 1 :])
    return None


def _named(values: list[object], feature: object) -> list[object]:
    """Replaces class numbers by their names; -1 means that a row has no class."""
    import datasets

    if not isinstance(feature, datasets.ClassLabel) or not feature.names:
        return values
    names: dict[object, object] = {**dict(enumerate(feature.names)), -1: ""}
    return [names.get(value, value) for value in values]


def _bad_input(error: Exception, path: str) -> Exception:
    """Converts an exception of `datasets`; a lack of memory stays one."""
    if isinstance(error, MemoryError):
        return error
    message = " ".join(str(error).split())
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
    if isinstance(error, FileNotFoundError):
        cure = "use a name from huggingface.co/datasets or a folder"
    elif isinstance(error, ConnectionError):
        cure = "check the connection and the name, or give a folder"
    else:
        cure = "select a part with hf:NAME:CONFIG@SPLIT"
    return InputError(f"cannot read the data set ({message})", where=path, cure=cure)
