"""A vector for every record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from seqcli.commands import session
from seqcli.commands.embed import embeddings
from seqcli.data.lines import Block
from seqcli.data.parallel import ordered_map
from seqcli.report.frame import Column, with_kept
from seqcli.report.matrix_file import SUFFIXES, matrix_file
from seqcli.report.output import JSON, TABLE

if TYPE_CHECKING:
    import numpy as np

    from seqcli.tasks.embeddings.load import OpenEmbeddings

_SHOWN = 6  # numbers on a terminal


def rows(question: session.Question) -> None:
    if PurePath(question.results.output or "").suffix.lower() in SUFFIXES:
        return _matrix(question)
    keep = question.source.keep or ()
    with question.results.opened() as out:
        texts = embeddings.records(question, out=out)
        opened = embeddings.opened(question, beginning=texts.beginning)
        width = min(_SHOWN, opened.vectors.dim) if out.mode == TABLE else None
        begun = False
        for block, (vectors, _) in _answers(question, opened, texts, alone=out.awaited):
            if not begun:
                out.begin([*_numbers(vectors[:0]), *keep, "text"])
                begun = True
            if out.mode == JSON:
                out.rows([], json=_objects(block, vectors, keep))
                continue
            kept = [Column(name, [row[k] for row in block.kept]) for k, name in enumerate(keep)]
            out.rows([*_numbers(vectors[:, :width]), *kept, Column("text", block.records())])
    question.reporter.clear()


def _matrix(question: session.Question) -> None:
    from seqcli.errors import UsageError

    path = question.results.output
    assert path is not None
    if question.results.json or question.source.keep:
        option = "--json" if question.results.json else "--keep"
        raise UsageError(f"{option} cannot be combined with a file of numbers alone", where=path)
    texts = embeddings.records(question)
    opened = embeddings.opened(question, beginning=texts.beginning)
    with matrix_file(path) as file:
        for _, (vectors, _) in _answers(question, opened, texts, alone=False):
            file.add(vectors)


def _answers(
    question: session.Question, opened: OpenEmbeddings, texts: session.Records, *, alone: bool
) -> Iterator[tuple[Block, tuple[np.ndarray, np.ndarray]]]:
    """The vectors of every block, on all cores where no network computes them; at the end a note on unknown words."""
    workers = 1 if alone or opened.network is not None else question.machine.threads
    done = missing = 0
    for block, (vectors, unknown) in ordered_map(
        lambda block: (block, opened.texts(block.data)), texts, workers=workers
    ):
        yield block, (vectors, unknown)
        done, missing = done + len(block.data), missing + int(unknown.sum())
        question.reporter.progress("bytes embedded", done)
    if missing:
        question.reporter.note(
            f"{'1 word has' if missing == 1 else f'{missing:,} words have'} no vector; left out of the mean"
        )


def _numbers(vectors: np.ndarray) -> list[Column]:
    return [Column(f"v{d + 1}", vectors[:, d], "%.6f", "%.3f") for d in range(vectors.shape[1])]


def _objects(block: Block, vectors: np.ndarray, keep: Any) -> Iterator[dict[str, Any]]:
    shortest = vectors.astype(str)  # as many digits as tell a float32 from its neighbours
    for k, (text, vector) in enumerate(zip(block.records(), shortest.tolist())):
        row = {"line": block.first + k, "text": text, "vector": list(map(float, vector))}
        yield with_kept(row, keep, block.kept_of(k))
