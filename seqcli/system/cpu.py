"""How many processor cores this process may use, and how many of them other processes leave it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from seqcli.system import torchrun

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def allowed() -> int:
    """Cores that this process may run on, within a container's quota; under torchrun, its share of them."""
    here = len(_affinity()) or os.cpu_count() or 1
    quota = _quota()
    return max(1, (here if quota is None else min(here, int(quota))) // torchrun.local_world())


@dataclass(frozen=True)
class Usage:
    """Seconds so far: of the clock, of work by this process and its ended children, and of idle time of the cores it may use."""

    clock: float
    own: float
    idle: float

    @classmethod
    def now(cls) -> Usage | None:
        """None where the system does not say how long its cores were idle."""
        try:
            with open("/proc/stat", encoding="ascii") as file:
                lines = file.read().splitlines()
            ticks, cores = os.sysconf("SC_CLK_TCK"), _affinity()
            rows = (line.split() for line in lines if line.startswith("cpu") and line[3:4].isdigit())
            idle = sum(
                int(row[4]) + int(row[5]) for row in rows if int(row[0][3:]) in cores
            )  # idle, waiting for a disk
        except (OSError, ValueError, IndexError):
            return None
        times = os.times()
        return cls(time.monotonic(), sum(times[:4]), idle / ticks)

    def free(self, before: Usage) -> float:
        """Cores that were this process's or nobody's since `before`: what it could have used without taking turns."""
        return (self.own - before.own + self.idle - before.idle) / max(self.clock - before.clock, 1e-9)


def _affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _quota() -> float | None:
    """Cores' worth of time that the control groups of this process allow it, None where there is no limit."""
    try:
        groups = [line.split(":", 2) for line in _OWN.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    found = []
    for _, controllers, own in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CGROUPS / "cpu" if controllers else _CGROUPS
        group = root / own.lstrip("/")
        for folder in [group, *group.parents]:
            if not folder.is_relative_to(root):
                break
            try:
                if controllers:
                    quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
                    period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
                else:
                    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
                if quota not in ("max", "-1"):
                    found.append(int(quota) / int(period))
            except (OSError, ValueError):
                continue
    return min(found, default=None)


STARTED = Usage.now()  # when this file was imported, with the command line
