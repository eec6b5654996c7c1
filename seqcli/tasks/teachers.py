"""Models whose probabilities a network learns besides the text or the labels (`--distill`; Hinton et al. 2015).

A share of every target (the setting `distill_share`) is the mean probability of the teachers instead of the next token or the label.
For language models they are computed while training, for classifiers once, before it. A translator learns from another one by
being trained on its translations (Kim and Rush 2016), which needs no option.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqcli import catalog
from seqcli.errors import UsageError
from seqcli.interfaces import Reporter
from seqcli.tasks.language.load import open_model
from seqcli.tasks.open_folder import folder_of
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.training.config import Request

if TYPE_CHECKING:
    from seqcli.nn.language_model import NeuralLanguageModel
    from seqcli.tasks.classification.data import Texts
    from seqcli.tasks.initial_weights import InitialModel
    from seqcli.training.device import Placement


@dataclass(frozen=True)
class Teachers:
    """sources: folders of models."""

    sources: tuple[str, ...]

    def request(self, request: Request) -> Request:
        """The request with these teachers. Raises UsageError if the model cannot learn from them."""
        if request.task == "translation":
            cure = "train on its translations: seqcli translate -m TEACHER -i source.txt -o target.txt"
            raise UsageError("a translator cannot learn the probabilities of another", where="--distill", cure=cure)
        if catalog.is_counted(request.task, request.arch):
            raise UsageError(f"--distill has no effect with --arch {request.arch}")
        return dataclasses.replace(request, teachers=self)

    def choice(self, first: InitialModel | None = None) -> TokenizerChoice:
        """The tokenizer that language models share with their teachers. first: the model of --init. Raises UsageError if they have
        different ones."""
        source, *others = [*self.sources, *([first.source] if first else [])]
        tokenizer, *further = (folder_of(each).expect("language").tokenizer() for each in (source, *others))
        for each, other in zip(others, further, strict=True):
            if other.fingerprint != tokenizer.fingerprint:
                cure = "give models that were trained together, with several --arch"
                raise UsageError(f"has another tokenizer than {source}", where=each, cure=cure)
        return TokenizerChoice(source, opened=tokenizer)

    def networks(self, placement: Placement) -> list[NeuralLanguageModel]:
        """The teachers of a language model, on its device. Raises UsageError for models that are not causal networks."""
        from seqcli.nn.language_model import NeuralLanguageModel

        models = []
        for opened in map(open_model, self.sources):
            if not isinstance(opened.model, NeuralLanguageModel) or getattr(opened.model, "pseudo", False):
                cure = "give models trained with --arch feedforward, rnn, lstm, gru or transformer"
                raise UsageError(
                    "gives no probabilities of the next token while training", where=opened.name, cure=cure
                )
            opened.model.place(placement)
            models.append(opened.model)
        return models

    def soft_labels(self, texts: Texts, *, share: float, reporter: Reporter) -> np.ndarray:
        """The targets of a classifier, float32 [N, C]: 1 - `share` for the label of a text, the rest as the teachers distribute it.
        Raises UsageError if their labels are others."""
        from seqcli.tasks.classification.load import open_classifier  # not for language models
        from seqcli.tasks.classification.mixture import mixed

        models = [open_classifier(source) for source in self.sources]
        for source, opened in zip(self.sources, models):
            if {*opened.labels} != {*texts.labels}:
                cure = "give classifiers of these labels, or rename them with --label-map"
                raise UsageError("has other labels than the training data", where=source, cure=cure)
        teacher = mixed(models, [1 / len(models)] * len(models)) if len(models) > 1 else models[0]
        order = [teacher.labels.index(label) for label in texts.labels]
        targets = np.zeros((len(texts), len(texts.labels)), np.float32)
        done = 0
        for block in texts.blocks():
            shares = teacher.probabilities(block)[:, order]
            targets[done : done + len(shares)] = share * shares
            done += len(shares)
            reporter.progress("texts labelled by --distill", done, len(texts))
        targets[np.arange(len(texts)), texts.targets] += 1 - share
        return targets


def record(request: Request) -> dict[str, Any]:
    """The entry in the record of a training: checksums of the teachers' weights."""
    sources = request.teachers.sources if request.teachers else ()
    return {"distill": [folder_of(source).weights_checksum for source in sources] or None}
