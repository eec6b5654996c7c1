"""The embeddings that a command line names."""

from __future__ import annotations

from functools import partial

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.tasks.embeddings.load import OpenEmbeddings

EXAMPLE = 'seqcli embed "I study machine learning"'


def opened(arguments: session.Arguments, *, beginning: str = "") -> OpenEmbeddings:
    """Those of -m, or the sample model of the script of `beginning`."""
    (found,) = models(arguments, beginning=beginning).chosen
    return found


def models(arguments: session.Arguments, *, beginning: str = "") -> Models[OpenEmbeddings]:
    """The same as the only models of a session."""
    from seqcli import samples
    from seqcli.tasks.embeddings.load import open_embeddings
    from seqcli.tasks.language.load import named

    reporter = arguments.reporter
    place = Placement(arguments.machine, reporter=reporter, reason="word vectors are looked up, not computed")
    if arguments.model:
        ((name, path),) = named(arguments.sources)
        found = place(open_embeddings(path, name=name, reporter=reporter))
    else:
        found = place(samples.embeddings(beginning, reporter=reporter))
    return Models(
        [found], place, open_sample=lambda language: found, kind="language", beginning=beginning, reporter=reporter,
        reopen=partial(models, arguments),
    )  # fmt: skip


def records(arguments: session.Arguments, **how) -> session.Records:
    return session.open_records(arguments, example=EXAMPLE, **how)
