"""Checkpoints for the training of embeddings: every ten minutes, and when it is interrupted.

With one process, a resumed training takes exactly the steps of an uninterrupted one. Several processes train without synchronisation,
so no two trainings are equal; a resumed training repeats the parts that were in progress when the tables were saved.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from signal import Signals
from typing import Any

import numpy as np

from seqcli.embeddings.training import Progress
from seqcli.errors import ModelError
from seqcli.interfaces import Reporter
from seqcli.runs import checkpoint
from seqcli.runs.model_writer import ModelWriter
from seqcli.system import signals
from seqcli.training import resuming

_EVERY = 600.0  # seconds


class Checkpoints:
    """`embeddings.training.Keeper` for a model folder. record: the values that may not change when a training is resumed."""

    def __init__(self, draft: ModelWriter, record: Mapping[str, Any], *, resume: bool, reporter: Reporter):
        self._draft, self._record, self._reporter = draft, record, reporter
        self._saved: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
        self._stack, self._last = ExitStack(), time.monotonic()
        self._asked: Sequence[Signals] = ()
        if resume:
            self._saved = checkpoint.newest(draft.path, reporter=reporter)
            resuming.check(
                resuming.settings_of(self._saved[1]["record"]), resuming.settings_of(record), reporter=reporter
            )

    def __enter__(self) -> Checkpoints:
        self._asked, self._last = self._stack.enter_context(signals.collected()), time.monotonic()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def seconds(self) -> float:
        """Seconds of training before it was resumed."""
        return self._saved[1]["progress"]["seconds"] if self._saved else 0.0

    def restored(self, tables: Mapping[str, np.ndarray]) -> Progress:
        if self._saved is None:
            return Progress()
        tensors, saved = self._saved
        if {name: array.shape for name, array in tensors.items()} != {name: t.shape for name, t in tables.items()}:
            raise ModelError(
                "the checkpoint does not match the settings", where=str(self._draft.path), cure=checkpoint.CURE
            )
        for name, array in tensors.items():
            tables[name][:] = array
        self._saved = None
        progress = saved["progress"]
        return Progress(**{**progress, "losses": [(loss, count) for loss, count in progress["losses"]]})

    def keep(self, tables: Mapping[str, np.ndarray], progress: Progress) -> bool:
        stops = bool(self._asked)
        if stops or time.monotonic() - self._last >= _EVERY:
            saved = {"record": dict(self._record), "progress": asdict(progress)}
            still = {
                name: table.copy() for name, table in tables.items()
            }  # other processes continue to train meanwhile
            self._draft.checkpoint(step=progress.parts, tensors=still, progress=saved)
            self._last = time.monotonic()
        if stops:
            self._reporter.note("stopped and saved; to continue, run the same command with --resume")
        return stops

    def done(self) -> None:
        """Removes the checkpoints after the model is saved."""
        checkpoint.remove(self._draft.path, self._draft.folder)
