"""Pretrained word vectors for the embeddings of a network (`--embeddings`), for every task.

The vector of a token is that of its text, without sentencepiece's space mark, or in lower case. Vectors are scaled to the mean length
of the network's initial embeddings, so that nothing else about the training changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqcli import catalog
from seqcli.errors import UsageError
from seqcli.interfaces import Reporter, Tokenizer
from seqcli.text import SPACE_MARK, SPECIALS
from seqcli.training.config import Request


@dataclass(frozen=True)
class InitialEmbeddings:
    """source: a folder or a file of vectors; frozen: whether they are excluded from training."""

    source: str
    frozen: bool = False

    def request(self, request: Request) -> Request:
        """The request with the width of the vectors, and an untied head if the embeddings are frozen; settings given by the
        user take precedence."""
        from seqcli.tasks.embeddings.load import open_embeddings
        from seqcli.training.config import kinds_of

        if catalog.is_counted(request.task, request.arch):
            raise UsageError(f"--embeddings has no effect with --arch {request.arch}")
        dim = open_embeddings(self.source).vectors.dim
        known = {field.name for kind in kinds_of(request.task, request.arch) for field in dataclasses.fields(kind)}
        settings: dict[str, Any] = {"embedding" if "embedding" in known else "width": dim}
        if self.frozen and "tied" in known:
            settings["tied"] = False
        return dataclasses.replace(request, settings=(("--embeddings", settings), *request.settings), embeddings=self)


def beginning(
    request: Request, tokenizers: Sequence[Tokenizer], *, reporter: Reporter, first: Callable[[Any], None] | None = None
) -> Callable[[Any], None] | None:
    """A function that copies the vectors of `request` into a new network, after calling `first`; None if there is nothing to do.

    tokenizers: one, or those of source and target.
    """
    asked = request.embeddings
    if asked is None:
        return first

    def begin(model: Any) -> None:
        if first:
            first(model)
        put(model, tokenizers, asked, reporter=reporter)

    return begin


def put(model: Any, tokenizers: Sequence[Tokenizer], asked: InitialEmbeddings, *, reporter: Reporter) -> None:
    """Copies the vectors into the embeddings of a network, and reports how many tokens have one.

    Raises UsageError if the widths differ or no token has a vector.
    """
    import torch

    from seqcli.tasks.embeddings.load import open_embeddings

    vectors = open_embeddings(asked.source, reporter=reporter).vectors
    covered = 0
    for name, table in _tables(model).items():
        tokenizer = tokenizers[-1 if ".decoder." in f".{name}" else 0]
        if table.weight.shape[1] != vectors.dim:
            what = f"vectors of {vectors.dim} numbers do not fit embeddings of {table.weight.shape[1]}"
            raise UsageError(what, where=asked.source, cure="leave the width to --embeddings")
        pieces = tokenizer.vocabulary()
        found, known = _vectors(vectors.of, pieces)
        covered += int(known.sum())
        reporter.note(
            f"--embeddings: {int(known.sum()):,} of {len(pieces) - len(SPECIALS):,} tokens have a vector in {asked.source}"
        )
        with torch.no_grad():
            own = float(table.weight.norm(dim=1).mean())
            length = float(np.linalg.norm(found[known], axis=1).mean()) if known.any() else 1.0
            rows = torch.from_numpy(found[known] * np.float32(own / (length or 1.0)))
            table.weight[torch.from_numpy(np.flatnonzero(known))] = rows.to(table.weight)
        table.weight.requires_grad_(not asked.frozen)
    if not covered:
        cure = "give vectors of the same language and tokens"
        raise UsageError("has no vector of any token", where=asked.source, cure=cure)


def record(request: Request) -> Mapping[str, Any]:
    """The entry in the record of a training."""
    asked = request.embeddings
    return {"embeddings": None if asked is None else {"source": asked.source, "frozen": asked.frozen}}


def _tables(model: Any) -> dict[str, Any]:
    """The token embeddings by name; shared ones only once."""
    from torch import nn

    found = {}
    for name, part in model.named_modules():
        if isinstance(part, nn.Embedding) and name.rpartition(".")[2] == "embedding":
            found[name] = part
    return found


def _vectors(of: Callable, pieces: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of tokens, float32 [V, D], and which tokens have one; special tokens do not."""
    names = [piece.removeprefix(SPACE_MARK) or piece for piece in pieces]
    found, known = of(names)
    lower, has = of([name.lower() for name in names])
    found, known = np.where(known[:, None], found, lower), known | has
    known[: len(SPECIALS)] = False
    return found, known
