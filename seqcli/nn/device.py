"""The machine that a network runs on: copies between numpy arrays on the host and tensors on a device, and the number of CPU threads.

All copies are made by `to_device` and `to_host`; tests/nn/test_devices.py checks that there are none elsewhere. A device runs
asynchronously. `to_host` synchronises, so it is called once for the results of several passes, or once per decoding step. `to_device`
does not: it copies from page-locked memory, since a copy from pageable memory would wait for the device.

There are as many threads as there are free cores, unless a number is given. PyTorch's OpenMP threads synchronise after every operation
and spin until the last one arrives. A thread that has lost its core to another process holds up the others for a time slice, thousands
of times a second: beside a single busy process, two threads on two cores are several times slower than one. Waiting passively does not
help: on an idle machine, sleeping and waking take longer than the second thread saves (docs/LOG.md has the figures). So the free cores
are counted at intervals (`cpu.Usage`), between two steps, and the number of threads is adapted. In the measurements of docs/LOG.md,
training in bfloat16 gave the same weights for any number of threads; in float32 they differ by rounding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from seqcli.system import cpu

_EVERY = 0.25  # seconds between measurements; the kernel counts in hundredths of a second
_MISSED = 1 / 3  # of a core: if less is missing, using all cores is still faster than one thread fewer


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor on the device; on the CPU it shares memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_host(tensor: Tensor) -> np.ndarray:
    """The tensor as an array, after synchronisation; on the CPU it shares memory."""
    return tensor.cpu().numpy()


class Threads:
    """most: number of threads on an idle machine."""

    def __init__(self, most: int):
        self.most = most
        self._before, self._last = cpu.STARTED, most
        self._due = 0.0

    def adapt(self) -> None:
        """Adapts the number of threads. Call it between steps; it usually does nothing."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _EVERY
        if (now := cpu.Usage.now()) is None or self._before is None:
            return
        seen = min(self.most, max(1, int(now.free(self._before) + _MISSED)))
        threads = torch.get_num_threads()
        chosen = seen if seen < threads else min(seen, self._last)  # more threads only after two such measurements
        if chosen != threads:
            torch.set_num_threads(chosen)
        self._before, self._last = now, seen


_threads: Threads | None = None


def choose_threads(number: int | None) -> None:
    """Sets the number of threads. number: None for OMP_NUM_THREADS if set, otherwise as many as are useful."""
    global _threads
    _threads = None
    if number:
        torch.set_num_threads(number)
    elif not os.environ.get("OMP_NUM_THREADS"):
        most = min(torch.get_num_threads(), cpu.allowed())
        torch.set_num_threads(most)
        if most > 1:
            _threads = Threads(most)
            _threads.adapt()


@contextmanager
def one_thread() -> Iterator[None]:
    """A context in which PyTorch uses one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def adapt_threads() -> None:
    """Adapts the number of threads to the free cores, unless a number was given. Call it between steps."""
    if _threads is not None:
        _threads.adapt()
