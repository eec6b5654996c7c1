"""Signals before anything else is imported: the process ends at once, without the traceback of an unfinished import.

A signal that is ignored when the command starts (`nohup`, `trap '' INT`) stays ignored. Imports only what Python itself has
loaded by then: `signal` would bring `enum`, which takes a good part of the start.
"""

import os
from _signal import (  # type: ignore[import-not-found]  # typeshed describes no C modules
    SIG_IGN,
    SIGINT,
    SIGTERM,
    getsignal,
    signal,
)


def leave_at_once(code: int | None = None) -> None:
    """For the end of a command too, when there is nothing left to clean up: then with its exit code."""
    for number in (SIGINT, SIGTERM):
        if getsignal(number) != SIG_IGN:
            signal(number, lambda number, _: os._exit(128 + number if code is None else code))
