"""The two ways between numpy on the host and tensors on a device: all that crosses goes through here.

A device works through a queue while the host goes on. `to_host` waits until the queue is done, so it is called once for
what several passes have computed, or once per step of decoding. `to_device` does not wait: PyTorch copies from ordinary memory
only after it has waited for the queue, from page-locked memory in its turn.

tests/nn/test_devices.py holds that nothing crosses elsewhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor there; on a processor in the same memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_host(tensor: Tensor) -> np.ndarray:
    """The tensor as an array, once it is computed; on a processor in the same memory."""
    return tensor.cpu().numpy()
