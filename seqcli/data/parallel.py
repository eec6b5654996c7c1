"""A function over blocks in several processes, results in the order of the blocks, few of them in flight.

For the numpy engines: torch has threads of its own. Processes are forked, so the function may close over opened
models (their mapped tables are shared) and only blocks and results travel. Where the platform cannot fork, or one
worker is asked for, everything runs here. Processes that torchrun started, each with its own device, take part alike.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from queue import SimpleQueue
from typing import TypeVar

from seqcli import torchrun
from seqcli.errors import SeqcliError

Item = TypeVar("Item")
Result = TypeVar("Result")
_WORTH_A_FORK = 3  # items; fewer are done sooner than a process starts


def cores() -> int:
    """Processors this process may use; under torchrun, its share of them."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, here // torchrun.local_world())


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """`map(function, items)` on `workers` processes (None: one a core); reads at most two items a worker ahead."""
    workers = cores() if workers is None else workers
    items = iter(items)
    first = list(islice(items, _WORTH_A_FORK)) if workers > 1 and hasattr(os, "fork") else []
    if len(first) < _WORTH_A_FORK:
        yield from map(function, chain(first, items))
        return
    with _forked(function, workers) as idle:
        yield from _in_order(idle, workers, chain(first, items))


def shared_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """`ordered_map`, or where torchrun started several processes a map on all of them: rank 0 alone reads `items` and goes
    on with the results; the others answer until it has them all, and end."""
    if torchrun.world() == 1:
        yield from ordered_map(function, items, workers=workers)
    elif torchrun.rank():
        _serve(function, torchrun.line_to_first(), [])
    else:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as below
        with torchrun.lines_to_others() as lines:
            idle: SimpleQueue = SimpleQueue()
            for pipe in (_Here(function), *lines):
                idle.put(pipe)
            yield from _in_order(idle, 1 + len(lines), items)


class _Here:
    """A pipe to this very process."""

    def __init__(self, function: Callable):
        self._function = function

    def send(self, item) -> None:
        self._item = item

    def recv(self) -> tuple[bool, object]:
        return _answer(self._function, self._item)


def _in_order(idle: SimpleQueue, workers: int, items: Iterable[Item]) -> Iterator[Result]:
    """Sends each item to whatever pipe is idle."""

    def remote(item: Item) -> Result:
        pipe = idle.get()
        try:
            pipe.send(item)
            sound, result = pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise SeqcliError("a worker process died", cure="try --threads 1, and no torchrun") from None
        finally:
            idle.put(pipe)
        if sound:
            return result
        raise result

    waiting: deque = deque()
    with ThreadPoolExecutor(workers) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(remote, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _forked(function: Callable, workers: int) -> Iterator[SimpleQueue]:
    """A queue of pipes to idle processes that answer an item with (True, result) or (False, exception)."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a worker that dies must not take us along unheard
    context = multiprocessing.get_context("fork")
    idle: SimpleQueue = SimpleQueue()
    pipes, processes = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking is safe here: no thread of ours runs yet
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(function, theirs, [*pipes, ours]), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
            idle.put(ours)
    try:
        yield idle
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(timeout=5)


def _serve(function: Callable, pipe, others: list) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and closes the pipe
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        try:
            pipe.send(_answer(function, item))
        except (BrokenPipeError, OSError):
            os._exit(0)


def _answer(function: Callable, item) -> tuple[bool, object]:
    try:
        return True, function(item)
    except Exception as error:
        return False, error
