"""How the similarities of word vectors agree with those that people gave."""

from __future__ import annotations

from seqcli.commands import session
from seqcli.commands.embed import embeddings
from seqcli.report.frame import columns_of_rows
from seqcli.report.output import JSON
from seqcli.results.embeddings import Similarity


def similarity(arguments: session.Arguments, path: str) -> None:
    from seqcli.tasks.embeddings import queries

    pairs = queries.read_pairs(path)
    opened = embeddings.opened(arguments, beginning=" ".join(pair.first for pair in pairs))
    row = queries.similarity(opened, pairs)
    with arguments.results.opened() as out:
        columns = columns_of_rows([row], Similarity)
        out.begin(columns)
        out.rows(columns, json=[row.to_dict()] if out.mode == JSON else None)
    if row.missing:
        words = "1 word has" if row.missing == 1 else f"{row.missing:,} words have"
        of = "1 pair is" if row.missing_pairs == 1 else f"{row.missing_pairs:,} pairs are"
        arguments.reporter.note(f"{words} no vector: {of} left out")
