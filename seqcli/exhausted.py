"""Whether an error means that memory is exhausted, whatever a library makes of it."""

from __future__ import annotations

import errno

_SAID = (  # by torch, the dynamic loader, the C++ library and Python's threads, in errors of many types
    "can't allocate memory", "cannot allocate memory", "unable to allocate", "not enough memory", "out of memory", "bad_alloc",
    "failed to map segment", "can't start new thread",
)  # fmt: skip


def memory(error: BaseException | None) -> bool:
    """Also where memory ran out first, and what came of it is another error: a failed import, a file that cannot be read."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, RuntimeError | OSError | ImportError) and any(said in str(error).lower() for said in _SAID):
            return True
        error = error.__cause__ or error.__context__
    return False
