"""A function over blocks in several processes, results in the order of the blocks, few of them in flight.

For the numpy engines: torch has threads of its own. Processes are forked, so the function may close over opened
models (their mapped tables are shared) and only blocks and results travel. Where the platform cannot fork, or one
worker is asked for, everything runs here. Processes that torchrun started, each with its own device, take part alike.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from queue import SimpleQueue
from typing import TypeVar

from seqcli.system import cpu, torchrun
from seqcli.system.workers import answer, ask, forked, serve

Item = TypeVar("Item")
Result = TypeVar("Result")
_WORTH_A_FORK = 3  # items; fewer are done sooner than a process starts


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """`map(function, items)` on `workers` processes (None: one a core); reads at most two items a worker ahead."""
    workers = cpu.allowed() if workers is None else workers
    items = iter(items)
    first = list(islice(items, _WORTH_A_FORK)) if workers > 1 and hasattr(os, "fork") else []
    if len(first) < _WORTH_A_FORK:
        yield from map(function, chain(first, items))
        return
    with forked(function, workers) as (pipes, end):
        yield from _in_order(pipes, chain(first, items), end=end)


def shared_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[Result]:
    """`ordered_map`, or where torchrun started several processes a map on all of them: rank 0 alone reads `items` and goes
    on with the results; the others answer until it has them all, and end."""
    if torchrun.world() == 1:
        yield from ordered_map(function, items, workers=workers)
    elif torchrun.rank():
        serve(function, torchrun.line_to_first())
        os._exit(0)
    else:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # so that a dead rank raises BrokenPipeError
        with torchrun.lines_to_others() as lines:
            yield from _in_order([_Here(function), *lines], items, end=lambda: torchrun.hang_up(lines))


class _Here:
    """A pipe to this very process."""

    def __init__(self, function: Callable):
        self._function = function

    def send(self, item) -> None:
        self._item = item

    def recv(self) -> tuple[bool, object]:
        return answer(self._function, self._item)


def _in_order(pipes: list, items: Iterable[Item], *, end: Callable[[], None]) -> Iterator[Result]:
    """Sends each item to whatever pipe is idle. end: ends whoever answers, so that no thread waits for them."""
    idle: SimpleQueue = SimpleQueue()
    for pipe in pipes:
        idle.put(pipe)

    def remote(item: Item) -> Result:
        pipe = idle.get()
        try:
            return ask(pipe, item)
        finally:
            idle.put(pipe)

    waiting: deque = deque()
    with ThreadPoolExecutor(len(pipes)) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(remote, item))
                if len(waiting) > 2 * len(pipes):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            end()
