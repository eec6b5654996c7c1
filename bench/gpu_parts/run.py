"""What all parts use: the run that collects their figures, made-up texts, and the command line."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
PEAK = {  # dense bfloat16, operations a second
    "B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "L40S": 362e12, "L4": 121e12, "A100": 312e12, "A10": 125e12,
    "RTX 4090": 165e12, "V100": 125e12, "T4": 65e12,
}  # fmt: skip


@dataclass
class Figure:
    """target: what it has to be, in words; ok: whether it is, None without a target."""

    what: str
    value: float | str
    unit: str = ""
    target: str = ""
    ok: bool | None = None

    @property
    def shown(self) -> str:
        if isinstance(self.value, str):
            return self.value
        digits = f"{self.value:,.0f}" if abs(self.value) >= 1000 else f"{self.value:.4g}"
        return f"{digits} {self.unit}".strip()


@dataclass
class Run:
    """The device and data of a part, and the figures that it adds. small: sizes for a test, at which speed and quality have no targets."""

    device: torch.device
    small: bool
    data: Path
    folder: Path
    figures: list[Figure] = field(default_factory=list)

    def add(self, what: str, value: float | str, unit: str = "") -> None:
        self.figures.append(Figure(what, value, unit))

    def at_most(self, what: str, value: float, limit: float, unit: str = "", *, always: bool = True) -> None:
        """always: also at small sizes."""
        judged = always or not self.small
        self.figures.append(Figure(what, value, unit, f"<= {limit:g}", bool(value <= limit) if judged else None))

    def at_least(self, what: str, value: float, limit: float, unit: str = "", *, always: bool = True) -> None:
        judged = always or not self.small
        self.figures.append(Figure(what, value, unit, f">= {limit:g}", bool(value >= limit) if judged else None))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, job: Callable[[], Any], *, runs: int = 3) -> float:
        """The shortest of several, in seconds, after one to warm up."""
        best = math.inf
        for number in range(runs + 1):
            self.wait()
            begun = time.perf_counter()
            job()
            self.wait()
            if number:
                best = min(best, time.perf_counter() - begun)
        return best

    @property
    def fast(self) -> torch.dtype:
        """The dtype that products are measured in."""
        return torch.float32 if self.device.type == "cpu" else torch.bfloat16

    @property
    def peak(self) -> float | None:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        return next((value for key, value in PEAK.items() if all(word in name for word in key.split())), None)

    @contextmanager
    def memory(self, what: str) -> Iterator[None]:
        """Adds the most that is allocated there."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        yield
        if self.device.type == "cuda":
            self.add(f"{what}: memory", torch.cuda.max_memory_allocated(self.device) / 1e9, "GB")

    def bandwidth(self) -> float:
        """Bytes a second, read and written by a copy."""
        source = torch.empty(1 << (24 if self.small else 29), dtype=torch.int32, device=self.device)
        target = torch.empty_like(source)
        return 2 * source.nbytes / self.timed(lambda: target.copy_(source))


class Skipped(Exception):
    """Why a part cannot be measured here."""


def texts(count: int, *, longest: int) -> list[str]:
    rng = np.random.default_rng(1)
    words = ["a", "of", "the", "dog", "cat", "ran", "sat", "house", "under", "quickly"]
    return [" ".join(rng.choice(words, size=rng.integers(1, longest))) for _ in range(count)]


def seqcli(run: Run, *arguments: str, start: list[str] | None = None, given: str | None = None) -> str:
    """What a command prints."""
    command = [sys.executable, *(start or []), "-m", "seqcli", *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout
