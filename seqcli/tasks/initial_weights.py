"""What a training begins with: a model (`--init`: its architecture, settings, tokenizer and weights), or pretrained word vectors for the
embeddings (`--embeddings`).

From a seqcli model all settings are taken except dropout, which belongs to the training. From a Hugging Face model dropout is taken as
well, and it is fine-tuned with a small learning rate, so as not to lose what was learned in pretraining (Devlin et al. 2019, section
4.1).

The vector of a token is that of its text, without sentencepiece's space mark, or in lower case. Vectors are scaled to the mean length
of the network's initial embeddings, so that nothing else about the training changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from seqcli import catalog
from seqcli.errors import ModelError, UsageError
from seqcli.interfaces import Reporter, Tokenizer
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.open_folder import checked, folder_of
from seqcli.text import SPACE_MARK, SPECIALS
from seqcli.training import defaults
from seqcli.training.config import Request, kinds_of

_OWN = ("word_dropout", "members")  # settings of a classifier that are not taken from the model


@dataclass(frozen=True)
class InitialModel:
    """source: its folder or name."""

    source: str
    run: ModelFolder

    @classmethod
    def open(cls, source: str) -> InitialModel:
        """Opens the model. Raises ModelError if it is not a neural model."""
        from seqcli.tasks.classification import load

        if load.is_fasttext(source):
            cure = "give a language model, or leave out --init; --embeddings takes word vectors from a .bin"
            raise ModelError("is a fastText classifier, which has no weights for a network", where=source, cure=cure)
        initial = cls(source, checked(source, lambda: folder_of(source)))
        if initial.pretrained:
            checked(source, lambda: catalog.load("models", initial.module).Config(**initial.run.config["settings"]))
        return initial

    @property
    def pretrained(self) -> bool:
        """Whether it is a Hugging Face model."""
        return "architecture" in self.run.config

    @property
    def module(self) -> str:
        return self.run.config.get("module", self.run.arch)

    @property
    def name(self) -> str:
        return self.run.path.name

    @property
    def tokenizer(self) -> Tokenizer:
        return self.run.tokenizer()

    @property
    def arch(self) -> str:
        """The architecture of a model that is initialised with it."""
        known = self.run.arch in catalog.architectures(self.run.task)
        return self.run.arch if known else self.module.partition("_")[0]  # bert is a transformer

    def check(self, arch: str) -> None:
        """Raises ModelError if it is not a neural model, UsageError if it cannot initialise this architecture."""
        if not self.pretrained and not hasattr(catalog.load("models", self.module), "build"):
            what = f"is a counted model ({self.run.arch}), which has no network body"
            raise ModelError(what, where=self.source, cure="give a trained rnn, lstm, gru or transformer")
        if self.arch != arch:
            what = f"has architecture {self.arch}, but --arch is {arch}"
            raise UsageError(what, where=self.source, cure=f"use --arch {self.arch}")

    def settings(self, task: str) -> dict[str, Any]:
        """The settings that another model of the same task must share with it."""
        settings = self.run.expect(task).config["settings"]
        if self.pretrained:
            return asdict(catalog.load("models", self.module).Config(**settings))
        return {name: value for name, value in settings.items() if not name.endswith("dropout")}

    def shared(self, task: str, arch: str, *, has_budget: bool) -> list[tuple[str, Mapping[str, Any]]]:
        """Settings of another model of the same task that is initialised with its weights, and of its training. Raises UsageError if
        the architecture differs."""
        self.check(arch)
        return [(self.source, self.settings(task)), *self.tuning(has_budget=has_budget)]

    def settings_of_body(self) -> dict[str, Any]:
        """The settings that a classifier must share with it."""
        module = catalog.load("models", catalog.presets("classification", self.arch)[0])
        config = self.run.config
        given = {**config["settings"], **config.get("classifier", {})}
        known = {field.name: field for field in fields(module.Config)}
        if self.pretrained:
            given = {name: field.default for name, field in known.items() if name not in _OWN} | given
        elif given.get("positions") != "learned":
            given = {name: value for name, value in given.items() if name != "window"}
        left_out = _OWN if self.pretrained else (*_OWN, "dropout", "weight_dropout")
        return {name: value for name, value in given.items() if name in known and name not in left_out}

    def tuning(self, *, has_budget: bool) -> list[tuple[str, Mapping[str, Any]]]:
        """Settings for fine-tuning a pretrained model; those given by the user take precedence."""
        if not self.pretrained:
            return []
        values = defaults.fine_tuning(self.run.config["settings"]["width"])
        return [(defaults.FINE_TUNING, values | ({} if has_budget else {"epochs": defaults.EPOCHS_TUNING}))]

    def into(self, model: Any) -> None:
        """Copies all weights into a network. Raises ModelError if the shapes differ."""
        from seqcli.nn.weights import arrays

        own, given = arrays(model), self.run.tensors(whole=True)
        for name in own.keys() | given.keys():
            if name not in own or name not in given or own[name].shape != given[name].shape:
                what = f"has another shape: {name}"
                raise ModelError(what, where=self.source, cure="give the same --arch and settings")
        _copied(model, given)

    def body_into(self, model: Any) -> None:
        """Copies the weights of the body into a classifier, and those of the pooling if both have it. Raises ModelError if the shapes
        differ."""
        own = model.state_dict()
        weights = {n: array for n, array in self.run.beginning().items() if n.startswith("body.") or n in own}
        for name, array in weights.items():
            if name not in own or tuple(own[name].shape) != array.shape:
                expected = tuple(own[name].shape) if name in own else "missing"
                raise ModelError(
                    f"its body has another shape: {name} is {array.shape}, expected {expected}", where=self.source,
                    cure="give its settings with --set, such as width, embedding, layers, tied",
                )  # fmt: skip
        _copied(model, weights)


def _copied(model: Any, given: Mapping[str, np.ndarray]) -> None:
    import torch

    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name in given:  # others are tied to these
                tensor.copy_(torch.from_numpy(np.array(given[name])))


def default_arch(source: str) -> str:
    """The default architecture with `--init source`."""
    return InitialModel.open(source).arch


def default_unit(source: str) -> str:
    """The default unit of text with `--init source`."""
    return folder_of(source).expect("language").config["unit"]


@dataclass(frozen=True)
class InitialEmbeddings:
    """source: a folder or a file of vectors; frozen: whether they are excluded from training."""

    source: str
    frozen: bool = False

    def request(self, request: Request) -> Request:
        """The request with the width of the vectors, and an untied head if the embeddings are frozen; settings given by the
        user take precedence."""
        from seqcli.tasks.embeddings.load import open_embeddings

        if catalog.is_counted(request.task, request.arch):
            raise UsageError(f"--embeddings has no effect with --arch {request.arch}")
        dim = open_embeddings(self.source).vectors.dim
        known = {field.name for kind in kinds_of(request.task, request.arch) for field in dataclasses.fields(kind)}
        settings: dict[str, Any] = {"embedding" if "embedding" in known else "width": dim}
        if self.frozen and "tied" in known:
            settings["tied"] = False
        return dataclasses.replace(request, settings=(("--embeddings", settings), *request.settings), embeddings=self)


def initialiser(
    request: Request, tokenizers: Sequence[Tokenizer], *, weights: Callable[[Any], None] | None, reporter: Reporter
) -> Callable[[Any], None] | None:
    """A function that initialises a new network: by `weights`, then with the vectors of `request`; None if there is nothing to do.

    tokenizers: one, or those of source and target.
    """
    vectors = request.embeddings
    if vectors is None:
        return weights

    def initialise(model: Any) -> None:
        if weights:
            weights(model)
        _copy_vectors(model, tokenizers, vectors, reporter=reporter)

    return initialise


def _copy_vectors(
    model: Any, tokenizers: Sequence[Tokenizer], initial: InitialEmbeddings, *, reporter: Reporter
) -> None:
    """Copies the vectors into the embeddings of a network, and reports how many tokens have one.

    Raises UsageError if the widths differ or no token has a vector.
    """
    import torch

    from seqcli.tasks.embeddings.load import open_embeddings

    vectors = open_embeddings(initial.source, reporter=reporter).vectors
    covered = 0
    for name, table in _tables(model).items():
        tokenizer = tokenizers[-1 if ".decoder." in f".{name}" else 0]
        if table.weight.shape[1] != vectors.dim:
            what = f"vectors of {vectors.dim} numbers do not fit embeddings of {table.weight.shape[1]}"
            raise UsageError(what, where=initial.source, cure="leave the width to --embeddings")
        pieces = tokenizer.vocabulary()
        values, known = _vectors(vectors.of, pieces)
        covered += int(known.sum())
        reporter.note(
            f"--embeddings: {int(known.sum()):,} of {len(pieces) - len(SPECIALS):,} tokens have a vector in {initial.source}"
        )
        with torch.no_grad():
            own = float(table.weight.norm(dim=1).mean())
            length = float(np.linalg.norm(values[known], axis=1).mean()) if known.any() else 1.0
            rows = torch.from_numpy(values[known] * np.float32(own / (length or 1.0)))
            table.weight[torch.from_numpy(np.flatnonzero(known))] = rows.to(table.weight)
        table.weight.requires_grad_(not initial.frozen)
    if not covered:
        cure = "give vectors of the same language and tokens"
        raise UsageError("contains no vector for any token", where=initial.source, cure=cure)


def record(request: Request) -> Mapping[str, Any]:
    """The entry in the record of a training."""
    initial = request.embeddings
    return {"embeddings": None if initial is None else {"source": initial.source, "frozen": initial.frozen}}


def _tables(model: Any) -> dict[str, Any]:
    """The token embeddings by name; shared ones only once."""
    from torch import nn

    tables = {}
    for name, part in model.named_modules():
        if isinstance(part, nn.Embedding) and name.rpartition(".")[2] == "embedding":
            tables[name] = part
    return tables


def _vectors(of: Callable, pieces: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of tokens, float32 [V, D], and which tokens have one; special tokens do not."""
    names = [piece.removeprefix(SPACE_MARK) or piece for piece in pieces]
    values, known = of(names)
    lower, has = of([name.lower() for name in names])
    values, known = np.where(known[:, None], values, lower), known | has
    known[: len(SPECIALS)] = False
    return values, known
