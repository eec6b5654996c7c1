"""Maps a function over blocks in several processes; results come in the order of the blocks, with a bounded number in flight.

Used for numpy code, since torch has threads of its own. Processes are forked, so the function may close over opened models
(whose mapped tables are shared), and only blocks and results are transferred. Without fork, or with a single worker,
everything runs in this process.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from queue import SimpleQueue
from typing import TypeVar

from seqcli.system import cpu
from seqcli.system.workers import ask, forked

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
