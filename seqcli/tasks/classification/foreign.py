"""Classifiers of other tools: supervised models of fastText."""

from __future__ import annotations

import os
from typing import Any

from seqcli.errors import ModelError
from seqcli.files import file_type, regular
from seqcli.interop.fasttext import classifier
from seqcli.interop.fasttext.file import LOSSES, FastTextFile
from seqcli.tasks.classification.load import Link, OpenClassifier, canonical_labels
from seqcli.text import Normalisation

ARCH = "fasttext"
_HEAD = 64  # bytes


def is_classifier(path: str) -> bool:
    """Whether a path is a file with a classifier."""
    if not os.path.isfile(path):
        return False
    try:
        with regular.opened(path) as file:
            return file_type.is_fasttext_classifier(file.read(_HEAD))
    except (OSError, ModelError):
        return False


def opened(path: str, *, name: str) -> tuple[OpenClassifier, dict[str, Any]]:
    """The classifier in a file, and its record. Raises ModelError if the file is damaged."""
    try:
        source, model = classifier.read(path)
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=path, cure="check the path") from None
    labels = canonical_labels(classifier.labels_of(source))
    features = classifier.features_label(source)
    found = OpenClassifier(
        name, ARCH, labels, bytes, model, features=features, normalisation=Normalisation.NONE, link=Link(model.loss.probabilities, model.probabilities)
    )  # fmt: skip
    return found, {"labels": labels, "tokenizer": features, **_about(source)}


def _about(source: FastTextFile) -> dict[str, Any]:
    """The record: size, training arguments by the names of fastText's options, and size of the training text."""
    arguments = vars(source.arguments) | {
        "loss": LOSSES[source.arguments.loss],
        "model": file_type.FASTTEXT_MODEL[source.arguments.model],
    }
    return {
        "arch": ARCH,
        "parameters": (len(source.input) + len(source.labels)) * source.arguments.dim,
        "quantized": source.quantized,
        "pruned": source.pruned is not None,
        "settings": arguments,
        "data": {"tokens": source.tokens, "words": len(source.words)},
    }
