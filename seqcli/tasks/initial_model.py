"""The model that a training begins with (`--init`): its architecture, settings, tokenizer and weights.

A model of ours gives its settings but dropout, which belongs to the training. One of Hugging Face gives dropout too, and is tuned gently:
it was trained for weeks, and large steps would undo that (Devlin et al. 2019, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from seqcli import catalog
from seqcli.errors import ModelError, UsageError
from seqcli.interfaces import Tokenizer
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.model_names import folder_of, sound
from seqcli.tasks.training_options import TrainingOptions
from seqcli.training import defaults

_OWN = ("word_dropout", "members")  # of a classifier, whatever it begins with


@dataclass(frozen=True)
class InitialModel:
    """source: where it is."""

    source: str
    run: ModelFolder

    @classmethod
    def open(cls, source: str) -> InitialModel:
        """Raises ModelError where it has no network."""
        from seqcli.tasks.classification import foreign

        if foreign.is_classifier(source):
            cure = "give a language model, or leave out --init; --embeddings takes word vectors from a .bin"
            raise ModelError(
                "a fastText classifier, which has no body for a network to begin with", where=source, cure=cure
            )
        initial = cls(source, sound(source, lambda: folder_of(source)))
        if initial.pretrained:
            sound(source, lambda: catalog.load("models", initial.module).Config(**initial.run.config["settings"]))
        return initial

    @property
    def pretrained(self) -> bool:
        """Whether it comes from others."""
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
        """That of a model that begins with it."""
        known = self.run.arch in catalog.architectures(self.run.task)
        return self.run.arch if known else self.module.partition("_")[0]  # bert is a transformer

    def check(self, arch: str) -> None:
        """Raises ModelError where it has no network, UsageError where a model of this architecture cannot begin with it."""
        if not self.pretrained and not hasattr(catalog.load("models", self.module), "build"):
            what = f"is a counted model ({self.run.arch}), which has no network body"
            raise ModelError(what, where=self.source, cure="give a trained rnn, lstm, gru or transformer")
        if self.arch != arch:
            what = f"has architecture {self.arch}, but --arch is {arch}"
            raise UsageError(what, where=self.source, cure=f"use --arch {self.arch}")

    def settings(self, task: str) -> dict[str, Any]:
        """Those that another model of its task must share with it."""
        found = self.run.expect(task).config["settings"]
        if self.pretrained:
            return asdict(catalog.load("models", self.module).Config(**found))
        return {name: value for name, value in found.items() if not name.endswith("dropout")}

    def shared(self, task: str, options: TrainingOptions) -> list[tuple[str, Mapping[str, Any]]]:
        """Settings of another model of its task that begins with its weights, and of its training. Raises UsageError where they are
        of another architecture."""
        self.check(options.arch[0])
        return [(self.source, self.settings(task)), *self.tuning(options)]

    def settings_of_body(self) -> dict[str, Any]:
        """Those that a classifier must share with it."""
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

    def tuning(self, options: TrainingOptions) -> list[tuple[str, Mapping[str, Any]]]:
        """Settings of a training that begins with a model of others, which those that the user gives follow."""
        if not self.pretrained:
            return []
        values = defaults.fine_tuning(self.run.config["settings"]["width"])
        return [(defaults.FINE_TUNING, values | ({} if options.has_budget else {"epochs": defaults.EPOCHS_TUNING}))]

    def into(self, model: Any) -> None:
        """Puts all its weights into a network. Raises ModelError where the shapes differ."""
        from seqcli.nn.weights import arrays

        own, given = arrays(model), self.run.tensors(whole=True)
        for name in own.keys() | given.keys():
            if name not in own or name not in given or own[name].shape != given[name].shape:
                what = f"has another shape: {name}"
                raise ModelError(what, where=self.source, cure="give the same --arch and settings")
        _copied(model, given)

    def body_into(self, model: Any) -> None:
        """Puts the weights of its body into a classifier, and those of what pools where both have it. Raises ModelError where the
        shapes differ."""
        own = model.state_dict()
        given = {n: array for n, array in self.run.beginning().items() if n.startswith("body.") or n in own}
        for name, array in given.items():
            if name not in own or tuple(own[name].shape) != array.shape:
                found = tuple(own[name].shape) if name in own else "missing"
                raise ModelError(
                    f"its body has another shape: {name} is {array.shape}, expected {found}", where=self.source,
                    cure="give its settings with --set, such as width, embedding, layers, tied",
                )  # fmt: skip
        _copied(model, given)


def _copied(model: Any, given: Mapping[str, np.ndarray]) -> None:
    import torch

    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name in given:  # others are tied to these
                tensor.copy_(torch.from_numpy(np.array(given[name])))


def default_arch(source: str | None, *, otherwise: str) -> str:
    """The architecture where none is named."""
    return InitialModel.open(source).arch if source else otherwise


def default_unit(source: str | None) -> str:
    """The unit of text where none is named."""
    return folder_of(source).expect("language").config["unit"] if source else "line"
