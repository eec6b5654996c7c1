"""SIGINT and SIGTERM, from the start of the command to its end.

A signal raises `Stopped` in the main thread, and on its way out open files are closed and temporary ones removed. Code
in between may swallow the exception (a weak-reference callback, an extension module), so it is raised again as long as
nothing holds it. It waits for the end of an import: an extension module that is being initialised aborts the process when an
exception comes from below. A signal that is ignored when the command starts (`nohup`, `trap '' INT`) stays ignored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None  # as `signal.signal` takes and returns them
NUMBERS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.05  # seconds after which a swallowed exception is raised again
_IMPORT = "<frozen importlib._bootstrap>"  # the code below which modules are initialised
_FLUSH = 1.0  # seconds to write what is buffered; a reader may have stopped reading


class Stopped(BaseException):
    """A signal asked the command to stop. Not an Exception, so that error handlers let it pass."""


class _State:
    """Of this process. number: the signal that came, if any; raised: gives the exception while anything holds it."""

    number: int | None = None
    raised: Callable[[], Stopped | None] = staticmethod(lambda: None)
    held = 0
    watching = False


_state = _State()


def install(handler: Callable[[int, FrameType | None], None]) -> dict[int, Handler]:
    """Sets the handler of both signals, except of an ignored one; returns the handlers that it replaced. Python lets the main
    thread alone do so: in another nothing is set."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    listened = [number for number in NUMBERS if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in listened}


def restore(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def leave(code: int) -> None:
    """Ends the process without the interpreter's shutdown, which would only delay it."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, _FLUSH)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def watched(command: Callable[[], int]) -> int:
    """The exit code of `command`, or 128 + the number of the signal that came while it ran."""
    _state.number, _state.held, _state.watching = None, 0, True
    old = {signal.SIGALRM: signal.signal(signal.SIGALRM, _receive), **install(_receive)}
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable(sys.unraisablehook)
    code = 0
    try:
        code = command()
        _state.watching = False  # from here on a signal comes too late
    except Stopped:
        _state.watching = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        restore(old)
    return code if _state.number is None else 128 + _state.number


def came() -> bool:
    """Whether a signal asked this command to end: whatever fails from then on is a consequence."""
    return _state.watching and _state.number is not None


def stop(number: int) -> None:
    """Raises `Stopped` as if the signal came now."""
    _state.number = number
    _raise()


def as_python() -> BaseException:
    """What Python raises for the signal that came last: for callers that are no command."""
    return SystemExit(128 + signal.SIGTERM) if _state.number == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def held() -> Iterator[None]:
    """Signals wait until the end of the block: for short steps that must not be left half done, and for processes that are
    forked inside until they have handlers of their own."""
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
        if came():
            _raise()


def finish(act: Callable[[], None]) -> None:
    """The last step of a command: a signal comes before it, which is then not taken, or too late to change the exit code."""
    with held():
        if not came():
            act()
            _state.watching, _state.number = False, None


def _receive(number: int, _) -> None:
    if number != signal.SIGALRM and _state.watching and _state.number is None:
        _state.number = number
    if came():
        _raise()


def _raise() -> None:
    if _state.held or _state.raised() is not None:
        return
    if _state.watching:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        if _is_importing():
            return
    error = Stopped()
    _state.raised = weakref.ref(error)
    try:
        raise error
    finally:
        del error  # its traceback would hold this frame, and the frame the exception


def _is_importing() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != _IMPORT:
        frame = frame.f_back
    return frame is not None


def _unraisable(otherwise: Callable) -> Callable:
    """A hook that reports no `Stopped`: it is raised again."""

    def hook(unraisable) -> None:
        if not issubclass(unraisable.exc_type, Stopped):
            otherwise(unraisable)

    return hook
