"""Measures a training: mean loss and speed since the last log line, and the progress line."""

from __future__ import annotations

import math
import time

import torch

from seqcli.interfaces import Reporter
from seqcli.system import memory

_EVERY = 0.1  # seconds between two updates: each takes as long as a training step of a tiny model
_SMOOTH = 0.02  # weight of the latest step in the displayed averages


class Meter:
    """bytes_per_token: of the training text, for bits per byte; None if that does not apply; counted: the unit of
    the loss, such as tokens."""

    def __init__(
        self, reporter: Reporter, device: torch.device, *, bytes_per_token: float | None, counted: str = "tokens"
    ):
        self._reporter, self._device, self._bytes, self._counted = reporter, device, bytes_per_token, counted
        self._sums, self._smooth = [0.0] * 3, [0.0] * 3  # of losses, tokens and seconds
        self._steps, self._shown = 0, 0.0

    def add(self, loss: float, tokens: int, seconds: float) -> None:
        """Adds a step: its loss in nats, summed over its tokens."""
        self._steps += 1
        part, step = max(_SMOOTH, 1 / self._steps), (loss, tokens, seconds)
        self._sums = [a + b for a, b in zip(self._sums, step)]
        self._smooth = [a + part * (b - a) for a, b in zip(self._smooth, step)]

    def taken(self) -> dict[str, float]:
        """Nats per token, bits per byte and tokens per second since the last call. Empty if there was no step."""
        (loss, tokens, seconds), self._sums = self._sums, [0.0] * 3
        if not tokens:
            return {}
        per_byte = self._bits(loss / tokens)
        bits = {} if per_byte is None else {"bits_per_byte": per_byte}
        return {"loss": loss / tokens, **bits, f"{self._counted}_per_second": round(tokens / max(seconds, 1e-9), 1)}

    def show(self, step: int, share: float) -> None:
        """The progress line, over about the last fifty steps."""
        now = time.monotonic()
        if now < self._shown + _EVERY:
            return
        self._shown = now
        loss, tokens, seconds = self._smooth
        mean = loss / max(tokens, 1)
        per_byte = self._bits(mean)
        bits = "" if per_byte is None else f", {per_byte:.3f} bpb"
        self._reporter.progress(
            f"step {step}, loss {mean:.3f}{bits}, {_short(tokens / max(seconds, 1e-9))} {self._counted}/s{self._memory()}",
            share,
            1,
        )

    def _bits(self, nats: float) -> float | None:
        """Bits per byte, from nats per token."""
        return nats / math.log(2) / self._bytes if self._bytes else None

    def _memory(self) -> str:
        used = [n for n in (memory.resident(),) if n]
        if self._device.type == "cuda":
            used.append(torch.cuda.max_memory_allocated(self._device))
        return f", {'+'.join(f'{n / 1e9:.1f}' for n in used)} GB" if used else ""


def _short(number: float) -> str:
    """A number in about four characters: 950, 9.5k, 950k, 9.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}" if number < 10 * size else f"{number / size:.0f}{letter}"
    return f"{number:.0f}"
