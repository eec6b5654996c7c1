"""The events of a training for TensorBoard; `metrics.jsonl` has them too."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from seqcli.errors import UsageError

_SHOWN = ("loss", "valid", "bits_per_byte", "tokens_per_second", "rate")


def check() -> None:
    """Before any work. Raises UsageError where the package is missing."""
    if find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs the package tensorboard", cure="pip install 'seqcli[tensorboard]'")


class Board:
    """One run's curves, in a folder of its own."""

    def __init__(self, folder: Path):
        from torch.utils.tensorboard import SummaryWriter  # an extra, and a second

        self._writer = SummaryWriter(str(folder))

    def add(self, event: Mapping[str, Any]) -> None:
        for name in _SHOWN:
            if event.get(name) is not None:
                self._writer.add_scalar(name, event[name], event["step"])
        self._writer.flush()
