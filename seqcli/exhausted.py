"""Whether an error means that memory is exhausted, whatever a library makes of it."""

from __future__ import annotations

import errno
import resource

from seqcli.errors import SeqcliError

LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
_SAID = (  # by torch, the dynamic loader, the C++ library and Python's threads, in errors of many types
    "can't allocate memory", "cannot allocate memory", "unable to allocate", "not enough memory", "out of memory", "bad_alloc",
    "failed to map segment", "can't start new thread", "failed to launch worker thread",
)  # fmt: skip
_SAID_AT_A_LIMIT = (  # for this reason or another: by oneDNN, threads of C++
    "could not create a ", "resource temporarily unavailable",
)  # fmt: skip


def is_limited() -> bool:
    """Whether the system limits this process's memory (`ulimit -v`, `ulimit -d`)."""
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in LIMITS)


def memory(error: BaseException | None) -> bool:
    """Also where memory ran out first, and what came of it is another error: a failed import, a file that cannot be read."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, SystemError) and is_limited():
            return True  # an extension module that got no memory and forgot to say so
        said = "" if isinstance(error, SeqcliError) else str(error).lower()
        if any(phrase in said for phrase in _SAID) or (is_limited() and any(phrase in said for phrase in _SAID_AT_A_LIMIT)):
            return True
        error = error.__cause__ or error.__context__
    return False
