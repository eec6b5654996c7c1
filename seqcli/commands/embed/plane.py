"""Texts as points of a plane."""

from __future__ import annotations

from seqcli.commands import session
from seqcli.commands.embed import embeddings


def draw(arguments: session.Arguments, path: str, *, projection: str, seed: int) -> None:
    import numpy as np

    from seqcli.report import vector_map

    vector_map.check(path, projection)
    texts = embeddings.records(arguments)
    opened = embeddings.opened(arguments, beginning=texts.beginning)
    labels: list[str] = []
    parts = []
    for block in texts:
        labels += block.records()
        vector_map.check_count(len(labels))
        parts.append(opened.texts(block.data)[0])
    vectors = np.concatenate([np.zeros((0, opened.vectors.dim), np.float32), *parts]) if parts else np.zeros((0, 1))
    vector_map.save(path, vectors, labels, projection=projection, seed=seed, title=opened.name)
    arguments.reporter.note(f"{len(labels):,} points drawn: {path}")
