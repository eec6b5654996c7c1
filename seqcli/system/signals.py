"""SIGINT and SIGTERM, from the start of the command to its end.

A signal raises `Stopped` in the main thread; while it propagates, open files are closed and temporary ones removed. Code in
between may swallow the exception (a weak-reference callback, an extension module), so it is raised again once nothing
references it. During an import it is deferred, since an extension module that is being initialised aborts the process if it
gets an exception. A signal that is ignored when the command starts (`nohup`, `trap '' INT`) stays ignored.
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

from seqcli.system import torchrun

Handler = Callable[[int, FrameType | None], Any] | int | None  # the types that `signal.signal` takes and returns
NUMBERS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.05  # seconds until a swallowed exception is raised again
_IMPORT = "<frozen importlib._bootstrap>"  # the code that runs while modules are initialised
_FLUSH = 1.0  # seconds to flush buffers; a reader may have stopped reading


class Stopped(BaseException):
    """A signal asked the command to stop. Not a subclass of Exception, so that error handlers do not catch it."""


class _State:
    """The state of this process. number: of the signal received, if any; raised: a weak reference to the exception."""

    number: int | None = None
    raised: Callable[[], Stopped | None] = staticmethod(lambda: None)
    held = 0
    watching = False


_state = _State()


def install(handler: Callable[[int, FrameType | None], None]) -> dict[int, Handler]:
    """Installs the handler for both signals unless they are ignored; returns the previous handlers. Python allows this only in
    the main thread; in another thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    listened = [number for number in NUMBERS if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in listened}


def restore(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def leave(code: int) -> None:
    """Exits without the interpreter's shutdown, which would only take time."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, _FLUSH)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def watched(command: Callable[[], int]) -> int:
    """Runs `command` and returns its exit code, or 128 + the number of the signal received."""
    _state.number, _state.held, _state.watching = None, 0, True
    old = {signal.SIGALRM: signal.signal(signal.SIGALRM, _receive), **install(_receive)}
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable(sys.unraisablehook)
    code = 0
    try:
        code = command()
        _state.watching = False  # a signal is too late from here on
    except Stopped:
        _state.watching = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        restore(old)
    return code if _state.number is None else 128 + _state.number


def came() -> bool:
    """Whether a signal has asked this command to stop; later errors are consequences of that."""
    return _state.watching and _state.number is not None


def stop(number: int) -> None:
    """Raises `Stopped` as if the signal was received now."""
    _state.number = number
    _raise()


def as_python() -> BaseException:
    """The exception that Python itself raises for the last signal, for callers other than commands."""
    return SystemExit(128 + signal.SIGTERM) if _state.number == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def held() -> Iterator[None]:
    """Defers signals until the end of the block: for short steps that must not be interrupted, and for processes forked
    inside, until they have installed their own handlers."""
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
        if came():
            _raise()


def finish(act: Callable[[], None]) -> None:
    """The last step of a command: a signal either prevents it or is too late to change the exit code."""
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
        del error  # its traceback would reference this frame, and the frame the exception


def _is_importing() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != _IMPORT:
        frame = frame.f_back
    return frame is not None


def _unraisable(otherwise: Callable) -> Callable:
    """A hook that does not report `Stopped`, which is raised again."""

    def hook(unraisable) -> None:
        if not issubclass(unraisable.exc_type, Stopped):
            otherwise(unraisable)

    return hook


@contextmanager
def collected() -> Iterator[list[signal.Signals]]:
    """Collects SIGINT and SIGTERM; a second SIGINT interrupts at once (torchrun sends one in addition to the
    terminal's). A signal after the last step raises at the end of the block, when the training is saved."""
    seen: list[signal.Signals] = []

    def note(number, frame):
        seen.append(signal.Signals(number))
        if len(seen) > 1 and number == signal.SIGINT and torchrun.world() == 1:
            stop(number)

    old = install(note)
    try:
        yield seen
    finally:
        restore(old)
    if seen:
        stop(seen[0])
