"""The embeddings that a question is about."""

from __future__ import annotations

from functools import partial

from seqcli.commands import session
from seqcli.tasks.embeddings.load import OpenEmbeddings

EXAMPLE = 'seqcli embed "I study machine learning"'


def opened(question: session.Question, *, beginning: str = "") -> OpenEmbeddings:
    """Those of -m, or the sample model of the script of `beginning`."""
    (found,) = models(question, beginning=beginning).chosen
    return found


def models(question: session.Question, *, beginning: str = "") -> session.Models[OpenEmbeddings]:
    """The same as the only models of a session."""
    from seqcli import samples
    from seqcli.tasks.embeddings.load import open_embeddings
    from seqcli.tasks.language.load import named

    reporter = question.reporter
    place = session.Placement(question.machine, reporter=reporter, otherwise="word vectors are looked up, not computed")
    if question.model:
        ((name, path),) = named(question.sources)
        found = place(open_embeddings(path, name=name, reporter=reporter))
    else:
        found = place(samples.embeddings(beginning, reporter=reporter))
    return session.Models(
        [found], place, open_sample=lambda language: found, kind="language", beginning=beginning, reporter=reporter,
        again=partial(models, question),
    )  # fmt: skip


def records(question: session.Question, **how) -> session.Records:
    return session.open_records(question, example=EXAMPLE, **how)
