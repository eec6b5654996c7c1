"""Opens embeddings: of a model folder, or the token embeddings of a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from seqcli.embeddings.vectors import TokenVectors, WordVectors
from seqcli.errors import ModelError
from seqcli.interfaces import SILENT, Reporter
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.model_names import folder_of, opened

EMBEDDINGS = "embeddings"
# Names of the weights with the input embeddings of networks.
_TABLES = (
    "body.embedding.weight", "members.0.body.embedding.weight", "body.encoder.embedding.weight",
    "body.encoder.forth.embedding.weight",
)  # fmt: skip


@dataclass(frozen=True)
class OpenEmbeddings:
    """texts: maps lines (UTF-8, each ended by a line feed) to their vectors, float32 [B, D], and the number of unknown words of
    each line, int64 [B]; model: the network that embeds texts, None for the mean of the word vectors."""

    name: str
    arch: str
    vectors: WordVectors
    texts: Callable[[bytes], tuple[np.ndarray, np.ndarray]]
    model: Any = None


def open_embeddings(source: str, *, name: str | None = None, reporter: Reporter = SILENT) -> OpenEmbeddings:
    """Opens a model folder (embeddings, or any network) or a file of word vectors.

    Raises ModelError if the model has no embeddings.
    """
    name = name or source
    if os.path.isfile(source):
        from seqcli.tasks.embeddings import foreign

        vectors = foreign.vectors_of(source, reporter=reporter)
        return OpenEmbeddings(name, foreign.ARCH, vectors, vectors.of_texts)
    run = folder_of(source)
    if is_of_words(run):
        return opened(source, EMBEDDINGS, lambda run, module: _trained(run, module, name))
    return _of_network(run, name)


def is_of_words(run: ModelFolder) -> bool:
    """Whether a folder has word vectors rather than a network that embeds texts."""
    return run.task == EMBEDDINGS and run.config.get("module") != "transformer_encoder"


def _trained(run: ModelFolder, module: ModuleType, name: str) -> OpenEmbeddings:
    vectors = module.load(run.config["settings"], run.tensors(), words=run.tokenizer())
    return OpenEmbeddings(name, run.arch, vectors, vectors.of_texts)


def _of_network(run: ModelFolder, name: str) -> OpenEmbeddings:
    tensors = run.tensors()
    table = next((tensors[key] for key in _TABLES if key in tensors), None)
    if table is None:
        raise ModelError(f"{run.arch} has no embeddings", where=str(run.path), cure="give embeddings or a neural model")
    tokenizer = run.tokenizers()[0]
    if table.ndim != 2 or len(table) != tokenizer.vocab_size or table.dtype != np.float32:
        raise ModelError(
            "the embeddings do not match the vocabulary", where=str(run.path), cure="restore the file or train again"
        )
    from seqcli.tasks.embeddings import of_network

    network, texts = of_network.opened(run)
    return OpenEmbeddings(name, run.arch, TokenVectors.of_tokens(tokenizer, table), texts, network)
