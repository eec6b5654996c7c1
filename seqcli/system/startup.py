"""Handles signals before other modules are imported: the process exits at once, without the traceback of an unfinished import.

A signal that is ignored when the command starts (`nohup`, `trap '' INT`) stays ignored. Imports only modules that Python
has already loaded: `signal` would import `enum`, a considerable part of the start-up time.
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
    """The handler; also used at the end of a command, when there is nothing left to clean up, with its exit code."""
    for number in (SIGINT, SIGTERM):
        if getsignal(number) != SIG_IGN:
            signal(number, lambda number, _: os._exit(128 + number if code is None else code))
