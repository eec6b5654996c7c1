"""Data sets of the Hugging Face hub, or a folder as `datasets` reads it: `hf:NAME[:CONFIG][@SPLIT]`.

Rows are streamed: what is not read is not downloaded, and nothing is prepared on disk. This is the only file that knows
`datasets`, which is imported when a data set is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from seqcli.data.tables import Asked, Rows, cell_of, places_of
from seqcli.errors import InputError

SCHEME = "hf:"
_ADDRESS = re.compile(r"hf:(?P<name>.+?)(:(?P<config>[^:@/]+))?(@(?P<split>[^@/]+))?")
_ROWS = 1024
_LONGEST = 300  # characters of a message of theirs


def is_hub(path: str) -> bool:
    return path.startswith(SCHEME)


def check(path: str) -> None:
    """Raises InputError where there is no such data set, configuration or split."""
    _opened(path)


def read_rows(path: str, columns: Sequence[Asked]) -> Iterator[Rows]:
    """The asked columns of a data set; None asks for the text column."""
    first = 1
    for cells in _batches(path, columns):
        yield Rows(first, cells)
        first += len(cells)


@cache
def _opened(path: str):
    """The data set, streamed: asked for once, read as often as needed."""
    address = _ADDRESS.fullmatch(path)
    if not address:
        raise InputError("no data set is named", where=path, cure="hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG@SPLIT")
    import datasets  # 0.5 s

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        return datasets.load_dataset(
            address["name"], address["config"], split=address["split"] or "train", streaming=True
        )
    except Exception as error:  # of half a dozen packages: theirs, HTTP, file systems
        raise _bad_input(error, path) from None


def _batches(path: str, columns: Sequence[Asked]) -> Iterator[list[tuple[str, ...]]]:
    dataset = _opened(path)
    try:
        names = dataset.column_names or list(next(iter(dataset), {}))
    except Exception as error:
        raise _bad_input(error, path) from None
    if not names:
        return
    # By number, too: a data set always has names.
    asked = [names[place] for place in places_of(columns, names, path)]
    text_of = {name: _text_of((dataset.features or {}).get(name)) for name in asked}
    try:
        for batch in dataset.select_columns(list(text_of)).iter(batch_size=_ROWS):
            yield list(zip(*(map(text_of[name], batch[name]) for name in asked)))
    except Exception as error:
        raise _bad_input(error, path) from None


def _text_of(feature: object) -> Callable[[object], str]:
    """What turns a value of a column into text: classes have names, and -1 is how their rows say that they have none."""
    import datasets

    if not isinstance(feature, datasets.ClassLabel) or not feature.names:
        return cell_of
    names = dict(enumerate(feature.names))
    return lambda value: names.get(value, "" if value == -1 else cell_of(value))


def _bad_input(error: Exception, path: str) -> Exception:
    """Their exception as ours; a lack of memory stays one."""
    if isinstance(error, MemoryError):
        return error
    message = " ".join(str(error).split())
    message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
    if isinstance(error, FileNotFoundError):
        cure = "NAME is as on huggingface.co/datasets, or a folder"
    elif isinstance(error, ConnectionError):
        cure = "mend the connection or the name, or give a folder"
    else:
        cure = "hf:NAME:CONFIG@SPLIT says which part"
    return InputError(f"cannot read the data set ({message})", where=path, cure=cure)
