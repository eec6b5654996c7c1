"""What a user gives as a model: a path, a sample model by its name, a model of the Hugging Face hub (`hf:NAME[@REVISION]`).

Every command and the Python interface ask here; what follows knows paths alone. A path that exists is never taken for a
name, and nothing is fetched unless the user wrote `hf:`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from seqcli.interfaces import Reporter

_HUB = "hf:"


def located(source: str, *, weights: bool = True, reporter: Reporter) -> str:
    """The path of a model or tokenizer: built where it is a sample model, fetched where it is of the hub, and not there yet.

    weights: False where the tokenizer is enough. Raises ModelError for a name of which there is no model.
    """
    if os.path.exists(source):
        return source
    if source.startswith(_HUB):
        from seqcli.interop.huggingface import hub

        return hub.folder_of(source, weights=weights, reporter=reporter)
    from seqcli import samples

    return samples.folder_of(source, reporter=reporter)


def all_located(sources: Iterable[str], *, weights: bool = True, reporter: Reporter) -> list[str]:
    """What -m names, as `DIR` or `NAME=DIR`, with a path for each name of a model, which stays its name."""
    models = []
    for source in sources:
        name, sign, path = source.partition("=")
        model = path if sign and not os.path.exists(source) else source
        located_at = located(model, weights=weights, reporter=reporter)
        models.append(source if located_at == model else f"{name}={located_at}")
    return models


def portable(source: str, path: str) -> str:
    """How another process finds the same model, whose path here is `path`: a file or folder by its absolute path, a model of the hub at
    the commit that was found here, since a branch moves, a sample model by its name."""
    if path == source:
        return os.path.abspath(path)
    if not source.startswith(_HUB):
        return source
    from seqcli.interop.huggingface import hub

    snapshot = hub.snapshot_of(path)
    return f"{_HUB}{snapshot.name}@{snapshot.commit}" if snapshot else source


def pinned(sources: Iterable[str], paths: Iterable[str]) -> list[str]:
    """What -m names, for a process that runs in the same folder of another machine. paths: as `all_located` gives them."""
    return [_pinned(source, located_at) for source, located_at in zip(sources, paths, strict=True)]


def _pinned(source: str, located_at: str) -> str:
    if source == located_at:
        return source
    name, _, path = located_at.partition("=")
    model = source.removeprefix(f"{name}=")
    pinned_model = portable(model, path)
    return source if pinned_model == model else f"{name}={pinned_model}"
