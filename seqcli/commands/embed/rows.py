"""A vector for every record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from seqcli.commands import session
from seqcli.commands.embed import embeddings
from seqcli.commands.models import Models
from seqcli.data.lines import Block
from seqcli.report.frame import Column, with_kept
from seqcli.report.matrix_file import SUFFIXES, matrix_file
from seqcli.report.output import JSON, TABLE, FormattedRows, Output

if TYPE_CHECKING:
    import numpy as np

    from seqcli.tasks.embeddings.load import OpenEmbeddings

Answer = TypeVar("Answer")
_SHOWN = 6  # numbers on a terminal


def rows(arguments: session.Arguments) -> None:
    if PurePath(arguments.results.output or "").suffix.lower() in SUFFIXES:
        return _matrix(arguments)
    keep = arguments.source.keep or ()
    with arguments.results.opened() as out:
        texts = embeddings.records(arguments, out=out)
        models = embeddings.models(arguments, beginning=texts.beginning)

        def formatted(block: Block, vectors: np.ndarray) -> tuple[int, FormattedRows]:
            """The width of the vectors, and their rows."""
            width = vectors.shape[1]
            if out.mode == JSON:
                return width, out.formatted([], json=_objects(block, vectors, keep))
            numbers = _numbers(vectors[:, :_SHOWN] if out.mode == TABLE else vectors)
            kept = [Column(name, [row[k] for row in block.kept]) for k, name in enumerate(keep)]
            return width, out.formatted([*numbers, *kept, Column("text", block.records())])

        for width, row in _answers(arguments, models, texts, formatted, out=out):
            out.begin([*map(_number, range(width)), *keep, "text"])
            out.write(row)
    arguments.reporter.clear()


def _matrix(arguments: session.Arguments) -> None:
    from seqcli.errors import UsageError

    path = arguments.results.output
    assert path is not None
    if arguments.results.json or arguments.source.keep:
        option = "--json" if arguments.results.json else "--keep"
        raise UsageError(f"{option} cannot be combined with a file of numbers only", where=path)
    texts = embeddings.records(arguments)
    models = embeddings.models(arguments, beginning=texts.beginning)
    with matrix_file(path) as file:
        for vectors in _answers(arguments, models, texts, lambda block, vectors: vectors):
            file.add(vectors)


def _answers(
    arguments: session.Arguments, models: Models[OpenEmbeddings], texts: session.Records,
    show: Callable[[Block, np.ndarray], Answer], *, out: Output | None = None,
) -> Iterator[Answer]:  # fmt: skip
    """show(block, vectors) for every block; at the end a note on unknown words. out: an output whose reader may wait for rows."""

    def embedded(block: Block) -> tuple[Answer, int, int]:
        (opened,) = models.of(block)
        vectors, unknown = opened.texts(block.data)
        return show(block, vectors), int(unknown.sum()), len(block.data)

    done = missing = 0
    for answer, unknown, size in session.map_blocks(arguments, embedded, texts, models, out=out):
        yield answer
        done, missing = done + size, missing + unknown
        arguments.reporter.progress("bytes embedded", done)
    if missing:
        arguments.reporter.note(
            f"{'1 word has' if missing == 1 else f'{missing:,} words have'} no vector; left out of the mean"
        )


def _number(place: int, values: Any = ()) -> Column:
    return Column(f"v{place + 1}", values, "%.6f", "%.3f")


def _numbers(vectors: np.ndarray) -> list[Column]:
    return [_number(d, vectors[:, d]) for d in range(vectors.shape[1])]


def _objects(block: Block, vectors: np.ndarray, keep: Any) -> Iterator[dict[str, Any]]:
    shortest = vectors.astype(str)  # as many digits as tell a float32 from its neighbours
    for k, (text, vector) in enumerate(zip(block.records(), shortest.tolist())):
        row = {"line": block.first + k, "text": text, "vector": list(map(float, vector))}
        yield with_kept(row, keep, block.kept_of(k))
