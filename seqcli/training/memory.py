"""How much memory this process has, and how much more it may take."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def resident() -> int | None:
    """Bytes; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def available() -> int | None:
    """Bytes that the machine has to give, or a container's limit leaves."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":") for line in file)
        free = int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError):
        return None
    return max(0, min([free, *(limit - (resident() or 0) for limit in _limits())]))


def _limits() -> list[int]:
    """Of the control groups that this process is in, from its own up to the root."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").rpartition("0::/")[2].strip()
    except OSError:
        return []
    groups = [_CGROUPS / own, *(_CGROUPS / own).parents]
    files = [group / "memory.max" for group in groups if group.is_relative_to(_CGROUPS)]
    found = []
    for file in [*files, _CGROUPS / "memory/memory.limit_in_bytes"]:  # the last: of the older kind
        try:
            found.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):  # "max"
            continue
    return found
