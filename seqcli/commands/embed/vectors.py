"""`embed`: a vector for every record, or with --map a point of a plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from seqcli import samples
from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.data.lines import Block
from seqcli.errors import UsageError
from seqcli.report.frame import Column, with_kept
from seqcli.report.matrix_file import SUFFIXES, matrix_file
from seqcli.report.output import JSON, TABLE, FormattedRows, Output
from seqcli.tasks.embeddings.load import OpenEmbeddings, open_embeddings
from seqcli.tasks.language.load import named

if TYPE_CHECKING:
    import numpy as np

Answer = TypeVar("Answer")
EXAMPLE = 'seqcli embed "I study machine learning"'
_SHOWN = 6  # numbers on a terminal


def open_models(arguments: session.Arguments, *, beginning: str = "") -> Models[OpenEmbeddings]:
    """The embeddings of -m, or the sample model for the script of `beginning`: one, for all records."""
    reporter = arguments.reporter
    place = Placement(arguments.machine, reporter=reporter, reason="word vectors are looked up, not computed")
    if arguments.model:
        ((name, path),) = named(arguments.sources)
        opened = place(open_embeddings(path, name=name, reporter=reporter))
    else:
        opened = place(samples.embeddings(beginning, reporter=reporter))
    return Models(
        [opened], place, open_sample=lambda language: opened, kind="language", beginning=beginning, reporter=reporter,
        reopen=partial(open_models, arguments),
    )  # fmt: skip


def rows(arguments: session.Arguments) -> None:
    if PurePath(arguments.results.output or "").suffix.lower() in SUFFIXES:
        return _matrix(arguments)
    keep = arguments.source.keep or ()
    with arguments.results.opened() as out:
        texts = session.open_records(arguments, example=EXAMPLE, out=out)
        models = open_models(arguments, beginning=texts.beginning)

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
    path = arguments.results.output
    assert path is not None
    if arguments.results.json or arguments.source.keep:
        option = "--json" if arguments.results.json else "--keep"
        raise UsageError(f"{option} cannot be combined with a file of numbers only", where=path)
    texts = session.open_records(arguments, example=EXAMPLE)
    models = open_models(arguments, beginning=texts.beginning)
    with matrix_file(path) as file:
        for vectors in _answers(arguments, models, texts, lambda block, vectors: vectors):
            file.add(vectors)


def draw(arguments: session.Arguments, path: str, *, projection: str, seed: int) -> None:
    """Draws the texts as points of a plane to the file `path`."""
    import numpy as np

    from seqcli.report import vector_map

    vector_map.check(path, projection)
    texts = session.open_records(arguments, example=EXAMPLE)
    (opened,) = open_models(arguments, beginning=texts.beginning).chosen
    labels: list[str] = []
    parts = []
    for block in texts:
        labels += block.records()
        vector_map.check_count(len(labels))
        parts.append(opened.texts(block.data)[0])
    vectors = np.concatenate([np.zeros((0, opened.vectors.dim), np.float32), *parts]) if parts else np.zeros((0, 1))
    complete = vector_map.save(path, vectors, labels, projection=projection, seed=seed, title=opened.name)
    arguments.reporter.note(f"{len(labels):,} points drawn: {path}")
    if not complete:
        arguments.reporter.note(f"{path}: the fonts of this machine lack some characters")


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


def _number(index: int, values: Any = ()) -> Column:
    return Column(f"v{index + 1}", values, "%.6f", "%.3f")


def _numbers(vectors: np.ndarray) -> list[Column]:
    return [_number(d, vectors[:, d]) for d in range(vectors.shape[1])]


def _objects(block: Block, vectors: np.ndarray, keep: Any) -> Iterator[dict[str, Any]]:
    shortest = vectors.astype(str)  # as many digits as tell a float32 from its neighbours
    for k, (text, vector) in enumerate(zip(block.records(), shortest.tolist())):
        row = {"line": block.first + k, "text": text, "vector": list(map(float, vector))}
        yield with_kept(row, keep, block.kept_of(k))
