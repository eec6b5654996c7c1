"""Words that are similar to a word, or to the sum of an analogy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqcli.commands import session
from seqcli.commands.embed import embeddings
from seqcli.report.frame import columns_of_rows
from seqcli.report.output import JSON
from seqcli.results.embeddings import Neighbour

if TYPE_CHECKING:
    from seqcli.results.result import Results


def neighbours(arguments: session.Arguments, word: str, *, k: int) -> None:
    from seqcli.tasks.embeddings import queries

    found = queries.neighbours(embeddings.opened(arguments, beginning=word), word, k=k)
    _show(arguments, {"word": word}, found, title=f"Words similar to {word}")


def analogy(arguments: session.Arguments, expression: str, *, k: int) -> None:
    from seqcli.tasks.embeddings import queries

    queries.terms(expression)  # before a model is opened
    found = queries.analogy(embeddings.opened(arguments, beginning=expression), expression, k=k)
    _show(arguments, {"analogy": expression}, found, title=expression)


def _show(arguments: session.Arguments, about: dict[str, Any], found: Results[Neighbour], *, title: str) -> None:
    with arguments.results.opened() as out:
        columns = columns_of_rows(found, Neighbour)
        out.begin(columns)
        if out.mode == JSON:
            out.rows([], json=[{**about, "neighbours": [each.to_dict() for each in found]}])
        else:
            out.rows(columns, title=title)
