"""The embeddings that a question is about."""

from __future__ import annotations

from seqcli.commands import session
from seqcli.tasks.embeddings.load import OpenEmbeddings

EXAMPLE = 'seqcli embed "I study machine learning"'


def opened(question: session.Question, *, beginning: str = "") -> OpenEmbeddings:
    """Those of -m, or the sample model of the script of `beginning`."""
    from seqcli import samples
    from seqcli.tasks.embeddings.load import open_embeddings
    from seqcli.tasks.language.load import named

    if question.model:
        ((name, path),) = named(question.sources)
        found = open_embeddings(path, name=name, reporter=question.reporter)
    else:
        found = samples.embeddings(beginning, reporter=question.reporter)
    if found.network is None:
        question.machine.without(
            question.reporter, "device", "precision", "batch_tokens", reason="word vectors are looked up, not computed"
        )
    elif hasattr(found.network, "place"):
        from seqcli.training.device import place

        machine = question.machine
        placed = place(machine.device or "cpu", machine.precision or "fp32", threads=machine.threads)
        found.network.place(placed, batch_tokens=machine.batch_tokens)
    return found


def records(question: session.Question, **how) -> session.Records:
    return session.open_records(question, example=EXAMPLE, **how)
