"""The environment that torchrun sets for each process. Does not import torch.

`torchrun --nproc-per-node 2 -m seqcli train ...` runs the same command in two processes that differ by their rank;
`training/distributed.py` connects them. Commands that do not train run in rank 0 only. `RANK` without torchrun's own
variables is ignored, since cluster software sets it for other purposes.
"""

from __future__ import annotations

import os


def _number(name: str, otherwise: int) -> int:
    return int(os.environ.get(name, otherwise)) if "TORCHELASTIC_RUN_ID" in os.environ else otherwise


def rank() -> int:
    """The rank of this process, from 0."""
    return _number("RANK", 0)


def world() -> int:
    """The number of processes."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """The rank of this process on its machine, from 0."""
    return _number("LOCAL_RANK", 0)


def local_world() -> int:
    """The number of processes on this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)
