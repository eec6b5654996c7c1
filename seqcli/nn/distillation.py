"""Soft targets from other models: a student learns their probabilities besides the text (Hinton et al. 2015).

With teachers q1 ... qK and a share s, the target at a position is (1 - s) times the next token plus s times the mean of
q1 ... qK; the loss is the cross-entropy of the student under it, at temperature 1. The teachers read the batch that the student
reads, so those with a state across batches see no more than the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seqcli.nn.cross_entropy import SoftTargets
from seqcli.nn.language_model import NeuralLanguageModel, inference_mode


def soft_targets(
    teachers: Sequence[NeuralLanguageModel], *, share: float
) -> Callable[[Tensor], Callable[[Tensor], SoftTargets]]:
    """For `NeuralLanguageModel.soft_targets`. teachers: of the same vocabulary, placed on the student's device."""

    def of(tokens: Tensor) -> Callable[[Tensor], SoftTargets]:
        def at(kept: Tensor) -> SoftTargets:
            features = [_features(teacher, tokens).index_select(0, kept) for teacher in teachers]

            def rows(begin: int, end: int) -> Tensor:
                shares = [_probabilities(*each) for each in zip(teachers, (part[begin:end] for part in features))]
                return torch.stack(shares).mean(0)

            return SoftTargets(rows, share)

        return at

    return of


def _features(teacher: NeuralLanguageModel, tokens: Tensor) -> Tensor:
    with inference_mode(teacher):
        return teacher.features(tokens)[0].flatten(0, 1)


def _probabilities(teacher: NeuralLanguageModel, features: Tensor) -> Tensor:
    with inference_mode(teacher):
        return teacher.logits(features).float().softmax(-1)
