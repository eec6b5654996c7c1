"""Chooses how a language model adapts to the text that it scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seqcli.adaptive_scoring import Cache, Dynamic, UnigramCache
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, OpenModel, OpenScorer, Placeable, Reporter, Scorer, is_pseudo
from seqcli.tasks.language.data import Corpus

_STATISTICS = 1 << 18  # tokens of training text for gradient statistics


def adapting(
    *, cache: Cache | None, dynamic: Dynamic | None, document: bool, statistics: str | None = None, reporter: Reporter = SILENT
) -> Callable[[OpenModel], OpenScorer]:  # fmt: skip
    """A function that turns an opened model, before it is placed, into one that adapts.

    document: whether texts are independent documents rather than lines of one text; statistics: file of training text whose gradients
    scale the steps of `dynamic`. Raises UsageError for a model that cannot adapt.
    """
    assert cache or dynamic, "nothing to adapt by"

    def adapted(opened: OpenModel) -> OpenScorer:
        if is_pseudo(opened.model):
            raise UsageError(
                "a masked model has no log p(text) to adapt", where=opened.name, cure="leave out --cache and --dynamic"
            )
        kept = (opened.name, opened.arch, opened.unit, opened.tokenizer)
        return OpenScorer(*kept, _adapted(opened), ends_documents=opened.ends_documents, hub=opened.hub)

    def _adapted(opened: OpenModel) -> Scorer:
        model: Any = opened.model
        neural: bool = isinstance(model, Placeable)
        if neural:
            from seqcli.nn.adaptive import AdaptiveNetwork  # torch

            rows = None if statistics is None else _rows(opened, statistics, reporter)
            return AdaptiveNetwork(model, cache=cache, dynamic=dynamic, apart=document, training_rows=rows)
        if cache is None or dynamic is not None:
            raise UsageError("--dynamic needs a neural model", where=opened.name, cure="use only --cache")
        return UnigramCache(model, cache, apart=document)

    return adapted


def _rows(opened: OpenModel, path: str, reporter: Reporter) -> list[np.ndarray]:
    """The first rows of a training text, tokenized as in training: int32 [T] each."""
    corpus = Corpus((path,), unit=opened.unit)
    rows: list[np.ndarray] = []
    left = _STATISTICS
    for lines in corpus.all_lines(reporter):
        batch = opened.tokenizer.encode(lines, unit=opened.unit)
        for row in batch.rows:
            rows.append(row[:left])
            left -= len(rows[-1])
            if left <= 0:
                return rows
    if not rows:
        raise InputError("no training text", where=path)
    return rows
