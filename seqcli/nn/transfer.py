"""Transfers between numpy arrays on the host and tensors on a device; all of them are made here.

A device runs asynchronously. `to_host` synchronises, so it is called once for the results of several passes, or once per decoding
step. `to_device` does not: it copies from page-locked memory, since a copy from pageable memory would wait for the device.

tests/nn/test_devices.py checks that there are no transfers elsewhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor on the device; on the CPU it shares memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_host(tensor: Tensor) -> np.ndarray:
    """The tensor as an array, after synchronisation; on the CPU it shares memory."""
    return tensor.cpu().numpy()
