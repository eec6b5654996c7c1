"""The default preset of a training, chosen by task, tokenizer, text, budget and device.

All rules are here, with their reasons; docs/LOG.md has the measurements, and `bench/defaults.py` repeats them.
Settings by `--set`, `--config` or an option override the preset.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcli import catalog
from seqcli.interfaces import Reporter
from seqcli.runs.model_folder import beginning
from seqcli.training.config import DEFAULT, Request

FINE_TUNING = "fine-tuning"  # the source of these settings
EPOCHS_TUNING = 3.0  # of a pretrained model
_BASE = 768  # width of the models for which the rates below were published
_SINGLE = ("characters", "bytes")  # tokenizers with single-character tokens
_NARROW = ("rnn", "lstm", "gru", "feedforward")
_FEW = 500_000  # tokens of labelled text: smaller texts are read often enough in a minute for a larger network
_SHORT = 2  # minutes on a CPU that are too short for the small presets; measured at 1
_SHORT_FOR_TRANSFORMERS = 4  # the same for Transformer language models; measured at 1 and 3


@dataclass(frozen=True)
class Situation:
    """tokenizer: its label, which begins with its kind; tokens: of the training text; minutes: the budget, 0 for one in epochs or
    steps; device: its type."""

    tokenizer: str
    unit: str
    tokens: int
    minutes: float
    device: str

    @property
    def kind(self) -> str:
        """The kind of the tokenizer."""
        return self.tokenizer.partition("-")[0]


def preset(task: str, arch: str, presets: Collection[str], situation: Situation) -> str:
    """The name of one of `presets`."""
    enough = _SHORT_FOR_TRANSFORMERS if (task, arch) == ("language", "transformer") else _SHORT
    short = situation.device == "cpu" and 0 < situation.minutes <= enough
    signs = situation.kind in _SINGLE
    if task == "language" and "char" in presets and (signs or short):
        if short and signs and arch in _NARROW:
            return "tiny"  # a narrow network reads three times as much text in the same time
        return "char"  # small batches and many steps
    few = task == "classification" and situation.tokens < _FEW
    if short and not few and "tiny" in presets:
        return "tiny"
    return DEFAULT if DEFAULT in presets else next(iter(presets))


def fine_tuning(width: int) -> dict[str, Any]:
    """Settings for fine-tuning a pretrained Transformer, as in Devlin et al. (2019), section A.3.

    The learning rate decreases with the width, as published from BERT-tiny to Llama: 3e-5 at 768.
    """
    return {
        "optimizer": "adamw", "learning_rate": min(max(3e-5 * _BASE / max(width, 1), 1e-5), 3e-4), "schedule": "linear", "floor": 0.0,
        "warmup": 1000, "weight_decay": 0.01, "label_smoothing": 0.0, "ema": 0.0, "batch_tokens": 2048,
    }  # fmt: skip


def completed(request: Request, situation: Situation, *, resumed: Path | None, reporter: Reporter) -> Request:
    """The request with a preset, and a note that names it. resumed: folder of a run to continue, which keeps its
    preset even if the budget has changed."""
    if request.preset:
        return request
    _, presets = catalog.presets(request.task, request.arch)
    name = (beginning(resumed) or {}).get("preset") if resumed else None
    if name not in presets:
        name = preset(request.task, request.arch, presets, situation)
        if tuned := next((values for where, values in request.settings if where == FINE_TUNING), None):
            how = f"fine-tuning with learning rate {tuned['learning_rate']:.3g}, linear after a tenth of warm-up"
            reporter.note(f"settings: {how}, for {_described(situation)}; others with --learning-rate, --epochs, --set")
        else:
            reporter.note(
                f"settings: preset {name}, for {_described(situation)}; choose another with --preset ({', '.join(presets)})"
            )
    return replace(request, preset=name)


def _described(situation: Situation) -> str:
    budget = f", {situation.minutes:g} minutes" if situation.minutes else ""
    unit = " of running text" if situation.unit == "document" else ""
    return f"{situation.tokens:,} tokens ({situation.kind}){unit}{budget} on {situation.device}"
