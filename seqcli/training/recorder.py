"""Records a training: evaluates the network on held-out text, logs, saves the best weights and checkpoints.

All ranks evaluate, each on the whole text, so that none has to wait; only rank 0 writes.

`TensorBoard` writes the same events as `metrics.jsonl`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from seqcli.errors import ModelError, UsageError
from seqcli.files import tensor_file
from seqcli.interfaces import Reporter, Tokenizer
from seqcli.nn import weights
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter
from seqcli.system import torchrun
from seqcli.training import resuming
from seqcli.training.config import Progress
from seqcli.training.loop import Evaluation


class HeldOut(Protocol):
    """Held-out text in parts, shuffled by a seed so that the first few are a random sample."""

    def __len__(self) -> int:
        """The number of parts."""

    def answer(self, model: Any, part: int) -> Any:
        """The model's output on a part."""

    def figures(self, answers: Sequence[Any]) -> tuple[float, dict[str, Any]]:
        """The main score, lower is better, and all scores, on the first `len(answers)` parts."""


class FolderRecorder:
    """Records a training in a model folder; implements `training.loop.Recorder`. record: the record of the training;
    card: makes the model card from the whole record."""

    def __init__(
        self, writer: ModelWriter, model: nn.Module, record: Mapping[str, Any], *, task: str, tokenizer: Tokenizer | tuple[Tokenizer, Tokenizer],
        held_out: HeldOut, card: Callable[[Mapping[str, Any]], str], begun: float,
        bytes_per_token: float | None = None, counted: str = "tokens", board: bool = False, resumable: bool = True,
    ):  # fmt: skip
        self._writer, self._model, self._record, self._begun = writer, model, record, begun
        self._task, self._tokenizer, self._held_out, self._card = task, tokenizer, held_out, card
        self.bytes_per_token, self.counted, self.resumable = bytes_per_token, counted, resumable
        self._figures: dict[str, Any] = {}
        self._answers: list[Any] = []  # of the last evaluation
        self._best: list[Any] = []  # of the best weights of this process
        self._board = None
        if board and not torchrun.rank():
            self._board = TensorBoard(writer.boards)

    def evaluate(self, go_on: Callable[[], bool]) -> Evaluation:
        """The main score on as many parts of the held-out text as there is time for."""
        held_out, self._answers = self._held_out, []
        for part in range(len(held_out)):
            self._answers.append(held_out.answer(self._model, part))
            if not go_on():
                break
        value, self._figures = held_out.figures(self._answers)
        parts, better = len(self._answers), None
        if self._best and parts != len(self._best):
            common = min(parts, len(self._best))
            ours, theirs = (held_out.figures(answers[:common])[0] for answers in (self._answers, self._best))
            better = ours < theirs
        return Evaluation(value, better, parts, len(held_out))

    def log(self, event: Mapping[str, Any]) -> None:
        if not torchrun.rank():
            self._writer.log(event)
        if self._board:
            self._board.add(event)

    def best(self, progress: Progress) -> None:
        self._best = self._answers
        seconds = round(time.monotonic() - self._begun, 3)
        record = {**self._record, "valid": self._figures, "progress": asdict(progress), "seconds": seconds}
        tensors = {name: tensor_file.tensor(array) for name, array in weights.arrays(self._model).items()}
        if torchrun.rank():
            return
        self._writer.save(
            task=self._task, arch=self._record["arch"], config=record, tensors=tensors, tokenizer=self._tokenizer,
            card=self._card(record),
        )  # fmt: skip

    def holds_best(self, progress: Progress) -> bool:
        """Whether the model in the folder is the best of this training so far."""
        try:
            held = ModelFolder.open(self._writer.path).config["progress"]
            return (held["best"], held["best_step"]) == (progress.best, progress.best_step)
        except (ModelError, KeyError, TypeError):
            return False

    def checkpoint(self, progress: Progress, tensors: Mapping[str, np.ndarray]) -> None:
        if torchrun.rank():
            return
        same = resuming.settings_of(self._record)
        self._writer.checkpoint(
            step=progress.step, tensors=tensors, progress={"progress": asdict(progress), "same": same}
        )

    def resumed(self, reporter: Reporter) -> tuple[Progress, dict[str, np.ndarray]]:
        """Progress and tensors of the newest checkpoint. Raises UsageError if its settings differ, or ModelError."""
        tensors, saved = checkpoint.newest(self._writer.path, reporter=reporter)
        try:
            progress, begun = Progress.read(saved["progress"]), dict(saved["same"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"damaged checkpoint ({error})", where=str(self._writer.path), cure=checkpoint.CURE
            ) from None
        resuming.check(begun, resuming.settings_of(self._record), reporter=reporter)
        return progress, tensors


_SHOWN = ("loss", "valid", "bits_per_byte", "tokens_per_second", "rate")


def check_tensorboard() -> None:
    """Raises UsageError, before any work, if the package is missing."""
    if find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs the package tensorboard", cure="pip install 'seqcli[tensorboard]'")


class TensorBoard:
    """Writes the events of a run for TensorBoard, into its own folder."""

    def __init__(self, folder: Path):
        from torch.utils.tensorboard import SummaryWriter  # an optional package; takes a second

        self._writer = SummaryWriter(str(folder))

    def add(self, event: Mapping[str, Any]) -> None:
        for name in _SHOWN:
            if event.get(name) is not None:
                self._writer.add_scalar(name, event[name], event["step"])
        self._writer.flush()
