"""`seqcli convert` of word vectors: between model folders, word2vec, GloVe and fastText."""

from __future__ import annotations

import os
from pathlib import Path

from seqcli.errors import ModelError, UsageError
from seqcli.interfaces import Reporter


def applies(source: str) -> bool:
    """Whether a source is a file or a folder of word vectors."""
    from seqcli.interop.word_vectors import is_vectors
    from seqcli.runs.model_folder import ModelFolder
    from seqcli.tasks.embeddings.load import is_of_words

    if os.path.isdir(source):
        try:
            return is_of_words(ModelFolder.open(source))
        except ModelError:
            return False
    return is_vectors(source)


def convert(source: str, target: str, *, format: str | None, force: bool, reporter: Reporter) -> None:
    """Raises UsageError where nothing would be converted, or the target exists."""
    from seqcli.interop import formats
    from seqcli.interop import word_vectors as interop
    from seqcli.runs.model_writer import drafting
    from seqcli.tasks.embeddings.load import open_embeddings, save_vectors

    is_file = os.path.isfile(source)
    vectors = interop.read(source) if is_file else open_embeddings(source).vectors
    format = format or interop.format_of(target, subwords=vectors.subwords is not None)
    if format:
        if os.path.exists(target) and not force:
            raise UsageError("already exists", where=target, cure="use --force to replace it")
        if os.path.exists(target) and os.path.samefile(source, target):
            raise UsageError("source and target are the same file", where=target, cure="write to another name")
        interop.write(target, vectors, format=format)
    else:
        if not is_file:
            raise UsageError(
                "cannot tell the format to write", where=target, cure="name it .vec, .bin or .glove, or give --to"
            )
        with drafting(target, force=force) as draft:
            save_vectors(draft, vectors, source=Path(source).name)
    reporter.note(f"{source} -> {target}: {len(vectors):,} words x {vectors.dim} numbers")
    if vectors.subwords is not None and format and not formats.load(format).KEEPS_NGRAMS:
        reporter.note(f"{target} has no n-grams: unknown words have no vector there; fasttext-bin keeps them")
