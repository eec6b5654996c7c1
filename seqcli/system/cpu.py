"""The number of CPU cores that this process may use, and how many of them other processes leave idle."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from seqcli.system import torchrun

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def allowed() -> int:
    """The number of cores this process may run on, within a container's quota; under torchrun, its share of them."""
    here = len(_affinity()) or os.cpu_count() or 1
    quota = _quota()
    return max(1, (here if quota is None else min(here, int(quota))) // torchrun.local_world())


@dataclass(frozen=True)
class Usage:
    """Seconds so far: wall-clock time, CPU time of this process and its finished children, and idle time of the cores it may
    use."""

    clock: float
    own: float
    idle: float

    @classmethod
    def now(cls) -> Usage | None:
        """The current usage; None if the system does not report idle times."""
        try:
            with open("/proc/stat", encoding="ascii") as file:
                lines = file.read().splitlines()
            ticks, cores = os.sysconf("SC_CLK_TCK"), _affinity()
            rows = (line.split() for line in lines if line.startswith("cpu") and line[3:4].isdigit())
            # idle, and waiting for a disk
            idle = sum(int(row[4]) + int(row[5]) for row in rows if int(row[0][3:]) in cores)
        except (OSError, ValueError, IndexError):
            return None
        times = os.times()
        return cls(time.monotonic(), sum(times[:4]), idle / ticks)

    def free(self, before: Usage) -> float:
        """The number of cores that were used by this process or idle since `before`: what it could use without competing for
        them."""
        return (self.own - before.own + self.idle - before.idle) / max(self.clock - before.clock, 1e-9)


def _affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _quota() -> float | None:
    """The CPU quota of the control groups of this process, in cores; None if there is no limit."""
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


STARTED = Usage.now()  # when this module was imported, at the start of the command
