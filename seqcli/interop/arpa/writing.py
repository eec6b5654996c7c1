"""Writes a Table and its tokenizer as an ARPA file."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seqcli import decimals, ragged
from seqcli.errors import OutputError
from seqcli.files.atomic import replacing
from seqcli.interfaces import Tokenizer
from seqcli.interop.arpa.lines import spelled
from seqcli.interop.arpa.source import Header
from seqcli.ngram.table import Table
from seqcli.text import BOS_ID

_LN10 = np.log(10)
_RUN_ROWS = 1 << 15


def write(path: Path, table: Table, tokenizer: Tokenizer, unit: str = "line", *, exclusive: bool = False) -> None:
    """Writes the table as ARPA, compressed if `path` ends in `.gz`. An existing file is replaced once the new one is complete.

    unit: of the training rows. exclusive: never replace a file. Raises OutputError if it cannot be written, FileExistsError
    if `exclusive` finds a file.
    """
    data, ends, escaped = spelled(tokenizer)
    assert len(ends) == table.vocab_size, "not the tokenizer of this table"
    lengths = np.diff(ends, prepend=0)
    words = data, ends - lengths, lengths
    children = [np.asarray(column) for column in table.children]
    header = Header(table.sizes, tokenizer.KIND, unit, tokenizer.normalisation, escaped)
    with _written(path, exclusive=exclusive) as file:
        file.write(header.written())
        for n, size in enumerate(table.sizes, 1):
            file.write(f"\n\\{n}-grams:\n".encode())
            for begin in range(0, size, _RUN_ROWS):
                rows = np.arange(begin, min(begin + _RUN_ROWS, size))
                file.write(_lines(table, n=n, rows=rows, words=words, children=children))
        file.write(b"\n\\end\\\n")


@contextlib.contextmanager
def _written(path: Path, *, exclusive: bool) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Opens a file that replaces `path` once it is complete."""
    try:
        with replacing(path, exclusive=exclusive, last=True) as file:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                    yield packed
            else:
                yield file
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None


def _lines(
    table: Table, *, n: int, rows: np.ndarray, words: tuple[np.ndarray, np.ndarray, np.ndarray], children: list[np.ndarray]
) -> bytes:  # fmt: skip
    """The lines of the rows of order n. words: bytes, starts and lengths of all pieces; children: the table's, as arrays."""
    data, starts, lengths = words

    def mark(text: bytes):
        return np.frombuffer(text, np.uint8), np.zeros(len(rows), np.int64), np.ones(len(rows), np.int64)

    end = [mark(b"\n")]
    if n < table.order:
        end = [mark(b"\t"), decimals.pieces(table.log_backoff[n - 1][rows] / _LN10), *end]
    log_prob = table.log_prob[n - 1][rows]
    if n == 1:
        log_prob = np.where(rows == BOS_ID, 0, log_prob)  # as lmplz writes it
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for k in range(n, 0, -1):  # from the last word to the first
        word = rows if k == 1 else table.words[k - 1][rows]
        columns = [mark(b" "), (data, starts[word], lengths[word]), *columns]
        if k > 1:
            rows = np.searchsorted(children[k - 2], rows.astype(children[k - 2].dtype), side="right") - 1
    return ragged.weave([decimals.pieces(log_prob / _LN10), mark(b"\t"), *columns[1:], *end])
