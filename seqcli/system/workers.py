"""Forked worker processes that answer over pipes; the parent never waits for one that has died, and none outlives it.

Long or memory-hungry library calls also run in a child process (`in_child`), so that a signal or an abort ends only the
child.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, islice
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from seqcli.errors import OutputError
from seqcli.system import cpu, signals

Item = TypeVar("Item")
Result = TypeVar("Result")
_WORTH_A_FORK = 3  # number of items below which starting a process takes longer than the work


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """`map(function, items)` on `workers` processes (None: one per core); reads at most two items per worker ahead."""
    workers = cpu.allowed() if workers is None else workers
    items = iter(items)
    first = list(islice(items, _WORTH_A_FORK)) if workers > 1 and hasattr(os, "fork") else []
    if len(first) < _WORTH_A_FORK:
        yield from map(function, chain(first, items))
        return
    with forked(function, workers) as (pipes, end):
        yield from _in_order(pipes, chain(first, items), end=end)


def _in_order(pipes: list, items: Iterable[Item], *, end: Callable[[], None]) -> Iterator[Result]:
    """Sends each item to any idle pipe. end: ends all workers, so that no thread is left waiting for them."""
    idle: SimpleQueue = SimpleQueue()
    for pipe in pipes:
        idle.put(pipe)

    def remote(item: Item) -> Result:
        pipe = idle.get()
        try:
            return ask(pipe, item)
        finally:
            idle.put(pipe)

    yield from in_threads(remote, items, len(pipes), end=end)


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, *, end: Callable[[], None] = lambda: None
) -> Iterator[Result]:
    """`map(function, items)` in threads, for functions that mostly wait or run outside the interpreter lock. They are at most two items
    per thread ahead of the consumer, since results take memory. end: called before the threads are waited for."""
    if threads == 1:
        try:
            yield from map(function, items)
        finally:
            end()
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            end()


@contextmanager
def forked(function: Callable, count: int) -> Iterator[tuple[list[Connection], Callable[[], None]]]:
    """Pipes to worker processes that answer an item with (True, result) or (False, exception), and a function that ends them."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # so that a dead worker raises BrokenPipeError
    context = multiprocessing.get_context("fork")
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []

    def end() -> None:
        with signals.held():
            for process in processes:
                process.kill()
            for process in processes:
                process.join()

    with ExitStack() as stack:
        stack.callback(end)
        for _ in range(count):
            ours, theirs = context.Pipe()
            stack.callback(ours.close)
            process = context.Process(target=_work, args=(function, theirs, [*pipes, ours]), daemon=True)
            _start(process)
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        yield pipes, end


def in_child(function: Callable[[], Result], *, openmp: bool = False) -> Result:
    """Calls `function` in a child process and returns its result. Raises OutputError if the child dies.

    openmp: the function uses OpenMP, and can be pickled. If PyTorch has started OpenMP threads in this process, OpenMP would crash in a
    forked child, so a new interpreter is started instead (0.2 s).
    """
    fresh = openmp and _may_have_openmp_threads()
    with _started() if fresh else forked(lambda _: function(), 1) as ((pipe,), end):
        try:
            return ask(pipe, function if fresh else None)
        finally:
            end()


def _may_have_openmp_threads() -> bool:
    """Whether PyTorch is loaded, and this process has threads that Python did not start."""
    if "torch" not in sys.modules:
        return False
    try:
        return len(os.listdir("/proc/self/task")) > threading.active_count()
    except OSError:
        return True


@contextmanager
def _started() -> Iterator[tuple[list[Connection], Callable[[], None]]]:
    """As `forked`, with a single worker in a new interpreter, which calls the functions that it is sent."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    with ExitStack() as stack:
        with signals.held():
            ours, theirs = multiprocessing.Pipe()
            stack.callback(ours.close)
            command = f"from seqcli.system import workers; workers.serve({theirs.fileno()})"
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
            theirs.close()

            def end() -> None:
                with signals.held():
                    process.kill()
                    process.wait()

            stack.callback(end)
        yield [ours], end


def serve(pipe: int) -> None:
    """The main function of the new interpreter. pipe: file descriptor of its end of the pipe."""
    _work(lambda function: function(), Connection(pipe), [])


def ask(pipe: Connection, item: object) -> Any:
    """The answer of a worker to `item`. Raises the worker's exception, or OutputError if it died."""
    try:
        pipe.send(item)
        sound, result = pipe.recv()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        cure = "use --threads 1 or less input at a time"
        raise OutputError("a worker process died, perhaps because memory is exhausted", cure=cure) from None
    if sound:
        return result
    raise result


def _work(function: Callable, pipe: Connection, others: list[Connection]) -> None:
    """The loop of a worker process, which reports exceptions as results; the parent notices its death at the other end of the
    pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles signals
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for other in others:
            other.close()
        with suppress(EOFError, OSError):  # the pipe is closed, or broken
            while True:
                item = pipe.recv()
                try:
                    answer = True, function(item)
                except Exception as error:
                    answer = False, error
                pipe.send(answer)
    finally:
        os._exit(0)


def _start(process: BaseProcess) -> None:
    try:
        with signals.held(), warnings.catch_warnings():
            # forking is safe here: this package has started no threads yet
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except OSError as error:
        raise OutputError(f"cannot start a worker process ({error.strerror})", cure="try --threads 1") from None
