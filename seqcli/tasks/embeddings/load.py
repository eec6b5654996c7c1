"""Opens embeddings: of a model folder, of a file of word vectors of another tool, or the token embeddings of a network.

A text is embedded as the mean of its word vectors, or of the states of a network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seqcli import __version__
from seqcli.embeddings.vectors import TokenVectors, WordVectors
from seqcli.errors import ModelError, OutputError
from seqcli.files import tensor_file
from seqcli.interfaces import SILENT, Reporter, Tokenizer
from seqcli.interop import word_vectors as foreign
from seqcli.models import word2vec
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter, writing_model
from seqcli.system.cache import cache_folder
from seqcli.tasks.open_folder import folder_of, open_folder
from seqcli.text import UNK_ID
from seqcli.token_batch import row_sums

EMBEDDINGS = "embeddings"
FOREIGN = "word-vectors"  # the architecture of vectors from files of other tools
_QUICK = 16 << 20  # bytes; smaller files are read each time
_DISK = 3  # required free disk for caching, as a multiple of the size of the file
# Names of the weights with the input embeddings of networks.
_TABLES = (
    "body.embedding.weight", "members.0.body.embedding.weight", "body.encoder.embedding.weight",
    "body.encoder.forth.embedding.weight",
)  # fmt: skip
TextVectors = Callable[[bytes], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class OpenEmbeddings:
    """texts: maps lines (UTF-8, each ended by a line feed) to their vectors, float32 [B, D], and the number of unknown words of
    each line, int64 [B]; model: the network that embeds texts, None for the mean of the word vectors."""

    name: str
    arch: str
    vectors: WordVectors
    texts: TextVectors
    model: Any = None


def open_embeddings(source: str, *, name: str | None = None, reporter: Reporter = SILENT) -> OpenEmbeddings:
    """Opens a model folder (embeddings, or any network) or a file of word vectors.

    Raises ModelError if the model has no embeddings.
    """
    name = name or source
    if os.path.isfile(source):
        vectors = _vectors_of_file(source, reporter=reporter)
        return OpenEmbeddings(name, FOREIGN, vectors, vectors.of_texts)
    run = folder_of(source)
    if is_of_words(run):
        return open_folder(source, EMBEDDINGS, lambda run, module: _trained(run, module, name))
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
    network, texts = _network(run)
    return OpenEmbeddings(name, run.arch, TokenVectors.of_tokens(tokenizer, table), texts, network)


def _network(run: ModelFolder) -> tuple[Any, TextVectors]:
    """The network of a folder, and a function that computes the vectors of lines and counts their unknown tokens.

    The states are those before the head: the mean over tokens for a language model, the pooled features for a classifier, the mean
    over the encoder states for a translator; an encoder without a head uses its own pooling.
    """
    from seqcli.tasks.classification.load import CLASSIFICATION, open_classifier
    from seqcli.tasks.language.load import LANGUAGE, open_model
    from seqcli.tasks.translation.load import open_translator

    if run.task == LANGUAGE:
        language = open_model(str(run.path))
        model: Any = language.model
        tokenizer = language.tokenizer
    elif run.task == EMBEDDINGS:
        tokenizer = run.tokenizer()
        model = open_folder(str(run.path), EMBEDDINGS, lambda run, module: _encoder(run, module, tokenizer))
    elif run.task == CLASSIFICATION:
        model = open_classifier(str(run.path)).model
        tokenizer = run.tokenizer()
    else:
        translator = open_translator(str(run.path))
        model, tokenizer = translator.model, translator.source
    return model, partial(_text_vectors, model, tokenizer)


def _encoder(run: ModelFolder, module: ModuleType, tokenizer: Tokenizer) -> Any:
    return module.load(run.config["settings"], run.tensors(whole=True), vocab_size=tokenizer.vocab_size)


def _text_vectors(model: Any, tokenizer: Tokenizer, lines: bytes) -> tuple[np.ndarray, np.ndarray]:
    from seqcli.nn.encoder import text_vectors

    batch = tokenizer.encode(lines)
    unknown = row_sums((batch.tokens == UNK_ID).astype(np.float32), batch.lengths).astype(np.int64)
    return text_vectors(model, batch), unknown


def _vectors_of_file(path: str, *, reporter: Reporter) -> WordVectors:
    """The vectors of a file of another tool: a large one is converted once to a folder in the cache, then mapped into memory. Raises ModelError if it is damaged or has none."""
    size = os.path.getsize(path)
    if size < _QUICK or not foreign.is_vectors(path):  # reading raises the error for other files
        return foreign.read(path)
    place = _cache_place(path)
    if (cached := _cached(place)) is not None:
        return cached
    reporter.note(f"{path}: reading {size / 1e6:,.0f} MB of word vectors, only this once")
    vectors = foreign.read(path)
    if shutil.disk_usage(place.parent).free > _DISK * size:
        with suppress(OSError, OutputError), tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as new:
            with writing_model(Path(new) / "vectors") as writer:
                save_vectors(writer, vectors, source=Path(path).name)
            os.rename(Path(new) / "vectors", place)  # another process may have created it meanwhile
    cached = _cached(place)
    return vectors if cached is None else cached


def save_vectors(writer: ModelWriter, vectors: WordVectors, *, source: str) -> None:
    """Saves foreign vectors as a model."""
    subwords = vectors.subwords
    record: dict[str, Any] = {
        "arch": FOREIGN,
        "module": "word2vec",
        "settings": {"dim": vectors.dim, "shortest": subwords.shortest if subwords else 0, "longest": subwords.longest if subwords else 0},
        "vocab_size": len(vectors),
        "dim": vectors.dim,
        "data": {"files": [source]},
    }  # fmt: skip
    arrays = {"vectors": vectors.vectors} | ({} if vectors.buckets is None else {"buckets": vectors.buckets})
    tensors = {name: tensor_file.tensor(np.asarray(array, np.float32)) for name, array in arrays.items()}
    card = f"# Word vectors\n\nConverted by seqcli from {source}: {len(vectors):,} words x {vectors.dim} numbers.\n"
    writer.save(task=word2vec.TASK, arch=FOREIGN, config=record, tensors=tensors, tokenizer=vectors.words, card=card)


def _cache_place(path: str) -> Path:
    """The cache folder for a file, determined by its name, size and modification time."""
    about = os.stat(path)
    key = f"{__version__} {os.path.realpath(path)} {about.st_size} {about.st_mtime_ns}"
    folder = cache_folder() / "vectors"
    folder.mkdir(exist_ok=True)
    return folder / hashlib.sha256(os.fsencode(key)).hexdigest()[:16]


def _cached(place: Path) -> WordVectors | None:
    """The cached vectors; None if there are none or they are damaged."""
    try:
        run = ModelFolder.open(place)
        return word2vec.load(run.config["settings"], run.tensors(), words=run.tokenizer())  # type: ignore[arg-type]
    except (ModelError, KeyError):
        shutil.rmtree(place, ignore_errors=True)
        return None
