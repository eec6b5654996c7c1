"""Memory of this process: how much it has and may still allocate, and whether an error means that it is exhausted."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

from seqcli.errors import SeqcliError

LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
_SAID = (  # messages of torch, the dynamic loader, the C++ library and Python's threads, in exceptions of various types
    "can't allocate memory", "cannot allocate memory", "unable to allocate", "not enough memory", "out of memory", "bad_alloc",
    "failed to map segment", "can't start new thread", "failed to launch worker thread",
)  # fmt: skip
_SAID_AT_A_LIMIT = (  # messages that may have other causes: of oneDNN and C++ threads
    "could not create a ", "resource temporarily unavailable",
)  # fmt: skip


def is_limited() -> bool:
    """Whether the memory of this process is limited (`ulimit -v`, `ulimit -d`)."""
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in LIMITS)


def is_exhausted(error: BaseException | None) -> bool:
    """Whether memory is exhausted, even if the error is a consequence of another type: a failed import, a file that cannot be
    read."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if (isinstance(error, SystemError) or _broke_an_import(error)) and is_limited():
            # an extension module that failed to allocate memory without raising an error, or raised another one
            return True
        said = "" if isinstance(error, SeqcliError) else str(error).lower()
        if any(phrase in said for phrase in _SAID) or (
            is_limited() and any(phrase in said for phrase in _SAID_AT_A_LIMIT)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _broke_an_import(error: BaseException) -> bool:
    """Whether an existing module could not be imported completely."""
    if isinstance(error, SeqcliError | ModuleNotFoundError):
        return False
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_name != "<module>":
        frame = frame.tb_next
    return isinstance(error, ImportError) or frame is not None


_CGROUPS = Path("/sys/fs/cgroup")


def resident() -> int | None:
    """The available memory in bytes; None if the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def available() -> int | None:
    """The available memory of the machine, or of a container's limit, in bytes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":") for line in file)
        free = int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError):
        return None
    return max(0, min([free, *(limit - (resident() or 0) for limit in _limits())]))


def _limits() -> list[int]:
    """The files of the control groups of this process, from its own up to the root."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").rpartition("0::/")[2].strip()
    except OSError:
        return []
    groups = [_CGROUPS / own, *(_CGROUPS / own).parents]
    files = [group / "memory.max" for group in groups if group.is_relative_to(_CGROUPS)]
    found = []
    for file in [*files, _CGROUPS / "memory/memory.limit_in_bytes"]:  # the last one: control groups version 1
        try:
            found.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):  # "max"
            continue
    return found
