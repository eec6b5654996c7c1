"""Word vectors from files of other tools: converted once to a folder in the cache, then mapped into memory."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import __version__
from seqcli.embeddings.vectors import WordVectors
from seqcli.errors import ModelError, OutputError
from seqcli.files import tensor_file
from seqcli.interfaces import Reporter
from seqcli.interop import vectors as interop
from seqcli.models import word2vec
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter, drafting
from seqcli.system.cache import cache_folder

ARCH = "word-vectors"
_QUICK = 16 << 20  # bytes; smaller files are read each time
_DISK = 3  # required free disk for caching, as a multiple of the size of the file


def vectors_of(path: str, *, reporter: Reporter) -> WordVectors:
    """The vectors of a file. Raises ModelError if it is damaged or has none."""
    size = os.path.getsize(path)
    if size < _QUICK or not interop.is_vectors(path):  # reading raises the error for other files
        return interop.read(path)
    place = _place(path)
    if (kept := _kept(place)) is not None:
        return kept
    reporter.note(f"{path}: reading {size / 1e6:,.0f} MB of word vectors, only this once")
    vectors = interop.read(path)
    if shutil.disk_usage(place.parent).free > _DISK * size:
        with suppress(OSError, OutputError), tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as new:
            with drafting(Path(new) / "vectors") as draft:
                save(draft, vectors, source=Path(path).name)
            os.rename(Path(new) / "vectors", place)  # another process may have created it meanwhile
    kept = _kept(place)
    return vectors if kept is None else kept


def save(draft: ModelWriter, vectors: WordVectors, *, source: str) -> None:
    """Saves foreign vectors as a model."""
    subwords = vectors.subwords
    record: dict[str, Any] = {
        "arch": ARCH,
        "module": "word2vec",
        "settings": {"dim": vectors.dim, "shortest": subwords.shortest if subwords else 0, "longest": subwords.longest if subwords else 0},
        "vocab_size": len(vectors),
        "dim": vectors.dim,
        "data": {"files": [source]},
    }  # fmt: skip
    arrays = {"vectors": vectors.vectors} | ({} if vectors.buckets is None else {"buckets": vectors.buckets})
    tensors = {name: tensor_file.tensor(np.asarray(array, np.float32)) for name, array in arrays.items()}
    card = f"# Word vectors\n\nConverted by seqcli from {source}: {len(vectors):,} words x {vectors.dim} numbers.\n"
    draft.save(task=word2vec.TASK, arch=ARCH, config=record, tensors=tensors, tokenizer=vectors.words, card=card)


def _place(path: str) -> Path:
    """The cache folder for a file, determined by its name, size and modification time."""
    about = os.stat(path)
    key = f"{__version__} {os.path.realpath(path)} {about.st_size} {about.st_mtime_ns}"
    folder = cache_folder() / "vectors"
    folder.mkdir(exist_ok=True)
    return folder / hashlib.sha256(os.fsencode(key)).hexdigest()[:16]


def _kept(place: Path) -> WordVectors | None:
    """The cached vectors; None if there are none or they are damaged."""
    try:
        run = ModelFolder.open(place)
        return word2vec.load(run.config["settings"], run.tensors(), words=run.tokenizer())  # type: ignore[arg-type]
    except (ModelError, KeyError):
        shutil.rmtree(place, ignore_errors=True)
        return None
