"""Opens classifiers, of seqcli and supervised models of fastText, and computes their predictions."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import numpy as np

from seqcli.data.labelled import canonical
from seqcli.data.lines import Block
from seqcli.errors import ModelError, UsageError
from seqcli.files import file_type, regular
from seqcli.interfaces import Classifier, Tokenizer
from seqcli.interop.fasttext import classifier as fasttext_classifier
from seqcli.interop.fasttext.file import LOSSES, FastTextFile
from seqcli.interop.huggingface.hub import revision
from seqcli.metrics import signature
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.language.load import named
from seqcli.tasks.open_folder import is_network, open_folder, open_saved
from seqcli.text import Normalisation

Batch = TypeVar("Batch")
CLASSIFICATION = "classification"
FASTTEXT = "fasttext"  # the architecture of fastText's classifiers
_HEAD = 64  # bytes


@dataclass(frozen=True)
class Link(Generic[Batch]):
    """How a classifier of another tool computes the probabilities that it reports, float64 [B, C]. of_batch: directly from a batch, equal
    to those from its logits, float64 [B, C], but faster."""

    of_logits: Callable[[np.ndarray], np.ndarray]
    of_batch: Callable[[Batch], np.ndarray]


@dataclass(frozen=True)
class OpenClassifier(Generic[Batch]):
    """A classifier with its labels and the encoder of its input. temperature: of its probabilities."""

    name: str
    arch: str
    labels: list[str]
    encode: Callable[[bytes], Batch]
    model: Classifier[Batch]
    temperature: float = 1.0
    features: str = ""  # description of its input for the signature: label of the tokenizer
    normalisation: Normalisation = Normalisation.NFC  # of the text it reads
    hub: str = ""  # NAME@COMMIT of a model of the Hugging Face hub
    tokenizer: Tokenizer | None = None  # of a model that reads tokens
    link: Link[Batch] | None = None  # computes the reported probabilities; None: softmax

    def logits(self, block: Block | bytes) -> np.ndarray:
        """The logits of every record, float64 [B, C]: natural logarithms up to a constant per row, at temperature 1."""
        lines = block if isinstance(block, bytes) else block.data
        return self.model.classify(self.encode(lines)).astype(np.float64)

    def probabilities(self, block: Block | bytes) -> np.ndarray:
        """The probability of every label for every record, float64 [B, C]."""
        if self.link is not None:
            return self.link.of_batch(self.encode(block if isinstance(block, bytes) else block.data))
        return self.probabilities_of(self.logits(block))

    def probabilities_of(self, logits: np.ndarray) -> np.ndarray:
        """float64 [B, C] -> [B, C]. The rows sum to 1, unless the labels were trained one versus all."""
        return softmax(logits / self.temperature) if self.link is None else self.link.of_logits(logits)

    def relabelled(self, names: Callable[[str], str]) -> OpenClassifier:
        """The classifier with renamed labels. Raises UsageError if two labels would have the same name."""
        labels = list(map(names, self.labels))
        if twice := next((label for label in labels if labels.count(label) > 1), None):
            cure = "give the labels of the model different names"
            raise UsageError(f"two labels of {self.name} would be {twice!r}", where="--label-map", cure=cure)
        return replace(self, labels=labels)

    def at(self, temperature: float) -> OpenClassifier:
        """The classifier with probabilities softmax(logits / temperature)."""
        return replace(self, temperature=temperature, link=None)

    @property
    def signature(self) -> str:
        """The signature of its predictions."""
        return self.signed()

    def signed(self, *, texts: int | None = None) -> str:
        """The signature with the number of texts."""
        return signature.of_classifier(
            self.arch, tokenizer=self.features, normalisation=self.normalisation, labels=len(self.labels), temperature=self.temperature,
            precision=self.model.precision, texts=texts, hub=self.hub,
        )  # fmt: skip


def softmax(logits: np.ndarray) -> np.ndarray:
    """float64 [B, C] -> probabilities of each row."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def open_classifier(source: str, *, name: str | None = None) -> OpenClassifier:
    """A classifier from a model folder or a file, `DIR` or `NAME=DIR`."""
    if name is None:
        name, source = next(named([source]))
    if is_fasttext(source):
        return open_fasttext(source, name=name)[0]
    return open_folder(source, CLASSIFICATION, lambda run, module: _of_run(run, module, name, hub=revision(run.path)))


def open_saved_classifier(path: Path) -> OpenClassifier:
    """Opens a classifier that has just been trained."""
    return open_saved(path, lambda run, module: _of_run(run, module, path.name))


def canonical_labels(labels: list[str]) -> list[str]:
    """Labels in their normalised spelling, unless two would become equal."""
    spelled = list(dict.fromkeys(map(canonical, labels)))
    return spelled if len(spelled) == len(labels) else labels


def _of_run(run: ModelFolder, module: ModuleType, name: str, *, hub: str = "") -> OpenClassifier:
    labels, settings = canonical_labels(list(map(str, run.config["labels"]))), run.config["settings"]
    temperature = float(
        run.config["valid"]["temperature"] if "valid" in run.config else 1.0
    )  # missing in models of other tools
    if len({*labels}) < max(2, len(labels)) or not 0 < temperature < 1e6:
        raise ValueError("labels or temperature")
    tokenizer = None
    if hasattr(module, "encoder"):  # it reads text instead of tokens
        encode, sizes, form = module.encoder(settings), {}, Normalisation.NFC
    else:
        tokenizer = run.tokenizer()
        encode, sizes, form = tokenizer.encode, {"vocab_size": tokenizer.vocab_size}, tokenizer.normalisation
    model = module.load(settings, run.tensors(whole=is_network(module)), labels=len(labels), **sizes)
    return OpenClassifier(
        name, run.arch, labels, encode, model, temperature, run.config.get("tokenizer", ""), form, hub, tokenizer
    )


def is_fasttext(path: str) -> bool:
    """Whether a path is a file with a classifier of fastText."""
    if not os.path.isfile(path):
        return False
    try:
        with regular.opened(path) as file:
            return file_type.is_fasttext_classifier(file.read(_HEAD))
    except (OSError, ModelError):
        return False


def open_fasttext(path: str, *, name: str) -> tuple[OpenClassifier, dict[str, Any]]:
    """The classifier of fastText in a file, and its record. Raises ModelError if the file is damaged."""
    try:
        source, model = fasttext_classifier.read(path)
    except OSError as error:
        raise ModelError(f"cannot read ({error.strerror})", where=path, cure="check the path") from None
    labels = canonical_labels(fasttext_classifier.labels_of(source))
    features = fasttext_classifier.features_label(source)
    classifier = OpenClassifier(
        name, FASTTEXT, labels, bytes, model, features=features, normalisation=Normalisation.NONE, link=Link(model.loss.probabilities, model.probabilities)
    )  # fmt: skip
    return classifier, {"labels": labels, "tokenizer": features, **_fasttext_record(source)}


def _fasttext_record(source: FastTextFile) -> dict[str, Any]:
    """The record: size, training arguments by the names of fastText's options, and size of the training text."""
    arguments = vars(source.arguments) | {
        "loss": LOSSES[source.arguments.loss],
        "model": file_type.FASTTEXT_MODEL[source.arguments.model],
    }
    return {
        "arch": FASTTEXT,
        "parameters": (len(source.input) + len(source.labels)) * source.arguments.dim,
        "quantized": source.quantized,
        "pruned": source.pruned is not None,
        "settings": arguments,
        "data": {"tokens": source.tokens, "words": len(source.words)},
    }
