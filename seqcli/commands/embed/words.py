"""`embed --neighbours`, `--analogy` and `--similarity`: similar words, and how similarities agree with those that people gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqcli.commands import session
from seqcli.commands.embed.vectors import open_models
from seqcli.report.frame import columns_of_rows
from seqcli.report.output import JSON
from seqcli.results.embeddings import Neighbour, Similarity
from seqcli.tasks.embeddings import queries
from seqcli.tasks.embeddings.load import OpenEmbeddings

if TYPE_CHECKING:
    from seqcli.results import Results


def neighbours(arguments: session.Arguments, word: str, *, k: int) -> None:
    similar = queries.neighbours(_opened(arguments, beginning=word), word, k=k)
    _show(arguments, {"word": word}, similar, title=f"Words similar to {word}")


def analogy(arguments: session.Arguments, expression: str, *, k: int) -> None:
    queries.terms(expression)  # before a model is opened
    similar = queries.analogy(_opened(arguments, beginning=expression), expression, k=k)
    _show(arguments, {"analogy": expression}, similar, title=expression)


def similarity(arguments: session.Arguments, path: str) -> None:
    """Compares with the pairs of words in the file `path`."""
    pairs = queries.read_pairs(path)
    opened = _opened(arguments, beginning=" ".join(pair.first for pair in pairs))
    row = queries.similarity(opened, pairs)
    with arguments.results.opened() as out:
        columns = columns_of_rows([row], Similarity)
        out.begin(columns)
        out.rows(columns, json=[row.to_dict()] if out.mode == JSON else None)
    if row.missing:
        words = "1 word has" if row.missing == 1 else f"{row.missing:,} words have"
        of = "1 pair is" if row.missing_pairs == 1 else f"{row.missing_pairs:,} pairs are"
        arguments.reporter.note(f"{words} no vector: {of} left out")


def _opened(arguments: session.Arguments, *, beginning: str) -> OpenEmbeddings:
    (opened,) = open_models(arguments, beginning=beginning).chosen
    return opened


def _show(arguments: session.Arguments, about: dict[str, Any], similar: Results[Neighbour], *, title: str) -> None:
    with arguments.results.opened() as out:
        columns = columns_of_rows(similar, Neighbour)
        out.begin(columns)
        if out.mode == JSON:
            out.rows([], json=[{**about, "neighbours": [each.to_dict() for each in similar]}])
        else:
            out.rows(columns, title=title)
