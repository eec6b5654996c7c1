"""A function over blocks in several processes, results in the order of the blocks, few of them in flight.

For the numpy engines: torch has threads of its own. Processes are forked, so the function may close over opened
models (their mapped tables are shared) and only blocks and results travel. Where the platform cannot fork, or one
worker is asked for, everything runs here.
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

from seqcli.errors import SeqcliError

Item = TypeVar("Item")
Result = TypeVar("Result")
_WORTH_A_FORK = 3  # items; fewer are done sooner than a process starts


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    with _forked(function, workers) as idle, ThreadPoolExecutor(workers) as threads:

        def remote(item: Item) -> Result:
            pipe = idle.get()
            try:
                pipe.send(item)
                sound, result = pipe.recv()
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise SeqcliError("a worker process died", cure="try --threads 1") from None
            finally:
                idle.put(pipe)
            if sound:
                return result
            raise result

        waiting: deque = deque()
        try:
            for item in chain(first, items):
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
            answer = True, function(item)
        except Exception as error:
            answer = False, error
        try:
            pipe.send(answer)
        except (BrokenPipeError, OSError):
            os._exit(0)
